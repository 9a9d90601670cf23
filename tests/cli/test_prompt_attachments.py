"""What is attached: by a file whose name is not UTF-8, and by an address, as each provider fetches it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from aikeys.cli.prompts import request as prompt_request
from aikeys.cli.prompts.request import attachment
from aikeys.cli.render.prompt_request import body_text
from aikeys.errors import UsageError
from aikeys.providers.catalogue import load
from aikeys.providers.wire.protocols import protocol_of
from aikeys.providers.wire.values import File, Image, Message, Options, Request

CATALOGUE = load()
PDF = "https://example.com/a%20b/report.PDF?download=1#p2"


def sent(provider: str, model: str, part: Image | File) -> str:
    dialect = CATALOGUE[provider].dialect().of_model(model)
    request = Request(model, (Message("user", (part,)),), options=Options(max_tokens=9))
    return protocol_of(dialect).encode(request, dialect).body.decode()


@pytest.mark.parametrize("name", [b"p\xe9.pdf", b"\xff.pdf", "é.pdf".encode(), b"plain.pdf"])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_file_is_sent_whatever_bytes_its_name_is_of(tmp_path: Path, name: bytes, provider: str) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as file:
        file.write(b"%PDF-1.4\n")
    body = sent(provider, "gpt-4.1", attachment(os.fsdecode(path)))
    assert "JVBERi0xLjQK" in body
    if provider == "openai":
        assert name.decode("utf-8", "replace") in json.loads(body)["messages"][0]["content"][0]["file"]["filename"]


@pytest.mark.parametrize("end", ["png", "JPG", "jpeg", "gif", "webp", "php", "", "png?as=x.pdf"])
def test_an_address_is_an_image_unless_its_path_says_otherwise(end: str) -> None:
    url = f"https://example.com/photo.{end}" if end else "https://example.com/photo"
    assert attachment(url) == Image(url=url)


def test_an_address_of_a_pdf_is_a_document_where_the_provider_fetches_those() -> None:
    part = attachment(PDF)
    assert isinstance(part, File)
    assert (part.media_type, part.name, part.url) == ("application/pdf", "report.PDF", PDF)
    block = json.loads(sent("anthropic", "claude-sonnet-4-5", part))["messages"][0]["content"][0]
    assert block == {"type": "document", "source": {"type": "url", "url": PDF}, "title": "report.PDF"}
    item = json.loads(sent("openai", "gpt-5-pro", part))["input"][0]["content"][0]
    assert item == {"type": "input_file", "file_url": PDF}


@pytest.mark.parametrize(
    "provider", [name for name, one in CATALOGUE.items() if one.protocol in ("openai", "azure", "gemini", "cohere")]
)
def test_elsewhere_it_is_refused_before_anything_is_sent(provider: str) -> None:
    with pytest.raises(UsageError, match="file"):
        sent(provider, "some-model", attachment(PDF))


@pytest.mark.parametrize("end", ["mp3", "WAV", "ogg", "flac", "m4a"])
def test_a_recording_goes_by_its_bytes(end: str) -> None:
    with pytest.raises(UsageError, match="no provider takes a recording by its address") as caught:
        attachment(f"https://example.com/talk.{end}")
    assert "attach the file" in caught.value.hint


def test_what_is_no_utf_8_on_the_command_line_is_called_that() -> None:
    for work in (
        lambda: attachment("https://example.com/\udce9.png"),
        lambda: prompt_request.options_of(["stop=\udce9"], None),
    ):
        with pytest.raises(UsageError, match="is not UTF-8"):
            work()


@pytest.mark.parametrize(
    "number", ["0.2", "1e-7", "0.30000000000000004", "123456789012345678901234567890", "-0.0", "1.50"]
)
def test_a_body_is_shown_with_the_numbers_that_are_sent(number: str) -> None:
    body = f'{{"temperature":{number},"list":[{number},{{}},[]],"text":"{number}"}}'
    shown = body_text(body.encode())
    assert f'"temperature": {number},' in shown
    assert f"    {number},\n" in shown
    assert json.loads(shown) == json.loads(body)
