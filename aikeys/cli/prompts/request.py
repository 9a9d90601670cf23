"""The request of a prompt, put together from the command line, standard input and files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aikeys.cli import terminal
from aikeys.errors import NotFound, UsageError
from aikeys.names import meant
from aikeys.providers.wire.values import (
    EFFORTS,
    File,
    Image,
    Json,
    Message,
    Options,
    Part,
    Request,
    Schema,
    Text,
)

LARGEST_TEXT_BYTES = 64 << 20
_LARGEST_FILE_BYTES = 64 << 20
_LARGEST_SCHEMA_BYTES = 1 << 20
_MARKS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_ENDS = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".avif"), "image/"),
    **dict.fromkeys((".mp3", ".wav", ".ogg", ".oga", ".opus", ".flac", ".m4a", ".aac", ".weba"), "audio/"),
    ".pdf": "application/pdf",
}
STDIN = "-"
_WITHOUT = "--no-stdin goes without it"
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


class PromptInput(NamedTuple):
    """The part of a command line that says what is asked."""

    text: str = ""
    system: str = ""
    files: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    schema: str = ""
    options: tuple[str, ...] = ()
    max_tokens: int | None = None
    no_stdin: bool = False


def request_of(typed: PromptInput, *, stream: bool) -> Request:
    """Return the request, its model still empty: files first, then what is piped in, then the argument.

    A text, a file or an attachment that is `-` is standard input.
    """
    piped = _piped(typed)
    texts = [_decoded(_content(path), _named(path)) for path in typed.files]
    texts.append(_decoded(piped, "standard input"))
    if typed.text != STDIN:
        texts.append(_typed_text(typed.text, "the text"))
    text = "\n\n".join(each.strip("\r\n") for each in texts if each.strip())
    parts: list[Part] = [attachment(each) for each in typed.attachments]
    if not text and not parts:
        raise UsageError("there is nothing to ask", "give a text, pipe one in, or name a file with -f")
    if text:
        parts.append(Text(text))
    messages = [Message("user", tuple(parts))]
    if typed.system.strip():
        messages.insert(0, Message("system", (Text(_typed_text(typed.system, "the system prompt")),)))
    schema = Schema(schema_of(typed.schema)) if typed.schema else None
    return Request("", tuple(messages), (), schema, options_of(typed.options, typed.max_tokens), stream)


def _piped(typed: PromptInput) -> bytes:
    """Return what stands on standard input, nothing where it is not wanted or goes elsewhere."""
    named = [*typed.files, *typed.attachments, typed.schema, typed.text].count(STDIN)
    if named and typed.no_stdin:
        raise UsageError("- is standard input, and --no-stdin leaves that out", "leave one of them out")
    if named > 1:
        raise UsageError("standard input is named twice", "put one of them into a file")
    if typed.no_stdin or (named and typed.text != STDIN):
        return b""
    if named:
        return terminal.read_stdin(LARGEST_TEXT_BYTES, is_asked_for=True)
    return terminal.read_stdin(LARGEST_TEXT_BYTES, instead=_WITHOUT)


def _typed_text(text: str, what: str) -> str:
    """Return what stood on the command line; UsageError where its bytes were not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not UTF-8", "set the terminal to UTF-8, or pipe it in") from None
    return text


def schema_of(path: str) -> Mapping[str, Json]:
    """Return the schema in a file."""
    from aikeys.spending.reply_schema import can_check, read_schema

    if not can_check():
        terminal.warn(
            "jsonschema is not installed: only that the reply is JSON is checked (pip install 'aikeys[schema]')"
        )
    return read_schema(_content(path, _LARGEST_SCHEMA_BYTES), _named(path))


def options_of(pairs: Sequence[str], max_tokens: int | None) -> Options:
    """Return options such as `temperature=0.2`; UsageError names what is wrong."""
    found: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        reader = _READERS.get(name)
        if not equals or reader is None:
            hint = meant(name, _READERS, f"known: {', '.join(_READERS)}")
            raise UsageError(f"-o {terminal.printable(pair)[:80]} is not an option of a model", hint)
        if name == "stop":
            found["stop"] = (*_stops(found), _typed_text(value, "-o stop"))
        else:
            found[name] = reader(name, value)
    if max_tokens is not None:
        found["max_tokens"] = max_tokens
    return Options(**found)  # type: ignore[arg-type]  # each reader returns its field's type


def attachment(place: str) -> Image | File:
    """Return an image, a document or a recording: a file, `-` for standard input, or an address."""
    if place.startswith(("https://", "http://")):
        return _at_address(_typed_text(place, "the address"))
    data = _content(place)
    kind = next((kind for mark, kind in _MARKS if data.startswith(mark)), "")
    if data[:4] == b"RIFF":
        kind = _RIFF.get(data[8:12], "")
    if not kind:
        raise UsageError(
            f"{_named(place)} is not an image, PDF or recording that aikeys knows", "a text goes with -f instead of -a"
        )
    if kind.startswith("image/"):
        return Image(kind, data)
    return File(kind, data, _file_name(place) if place != STDIN else "")


def _at_address(url: str) -> Image | File:
    """Return what a provider is to fetch: what it is, the end of its path says; without one that is known, an image."""
    from urllib.parse import unquote, urlsplit

    try:
        name = os.path.basename(unquote(urlsplit(url).path))
    except ValueError:
        raise UsageError(f"{_named(url)} is not an address", "give one such as https://example.com/photo.jpg") from None
    kind = _ENDS.get(os.path.splitext(name)[1].lower(), "image/")
    if kind.startswith("image/"):
        return Image(url=url)
    if kind.startswith("audio/"):
        raise UsageError("no provider takes a recording by its address", "fetch it first, then attach the file")
    return File(kind, b"", name, url)


def _file_name(path: str) -> str:
    """Return a file's name as a provider is told it: what is not UTF-8 in it is replaced."""
    return os.fsencode(os.path.basename(path)).decode("utf-8", "replace")


def _content(path: str, limit_bytes: int = _LARGEST_FILE_BYTES) -> bytes:
    if path == "-":
        return terminal.read_stdin(limit_bytes, is_asked_for=True)
    try:
        with open(path, "rb") as file:
            data = file.read(limit_bytes + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {_named(path)}", "check its name") from None
    except OSError as error:
        raise UsageError(f"{_named(path)} cannot be read: {error.strerror}", "check its name and permissions") from None
    if len(data) > limit_bytes:
        raise UsageError(f"{_named(path)} is larger than {limit_bytes >> 20} MiB", "give a smaller file")
    return data


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not UTF-8 text (byte {error.start + 1})", "convert it (iconv), or attach it with -a FILE"
        ) from None


def _named(path: str) -> str:
    return "standard input" if path == "-" else terminal.printable(path)


def _stops(found: Mapping[str, object]) -> tuple[str, ...]:
    kept = found.get("stop", ())
    return kept if isinstance(kept, tuple) else ()


def _fraction(name: str, value: str) -> float:
    import re

    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", value, re.ASCII):
        raise UsageError(f"-o {name} is not a number such as 0.2", f"for example -o {name}=0.2")
    return float(value)


def _whole(name: str, value: str) -> int:
    least = 1 if name in ("n", "max_tokens") else 0
    if not (value.isascii() and value.isdigit() and len(value) < 16 and int(value) >= least):
        raise UsageError(f"-o {name} is not a whole number from {least} on", f"for example -o {name}=1")
    return int(value)


def _effort(_name: str, value: str) -> str:
    if value not in EFFORTS:
        raise UsageError(f"-o effort={terminal.printable(value)[:40]} is not known", f"one of: {', '.join(EFFORTS)}")
    return value


_READERS: Mapping[str, Callable[[str, str], object]] = {
    "temperature": _fraction,
    "top_p": _fraction,
    "stop": lambda _name, value: value,
    "seed": _whole,
    "n": _whole,
    "effort": _effort,
    "max_tokens": _whole,
}
