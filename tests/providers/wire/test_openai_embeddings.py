"""Embeddings of OpenAI's, Cohere's and Gemini's shape."""

from __future__ import annotations

import json

import pytest
from wire_samples import dialect, sent

from aikeys.errors import UsageError as BadUsage
from aikeys.providers.usage import Usage
from aikeys.providers.wire.openai_embeddings import decode, encode
from aikeys.providers.wire.values import ApiError, EmbeddingRequest, Reply, Unreadable

REQUEST = EmbeddingRequest("m", ("a", "b"), 3)


def test_each_protocol_asks_in_its_own_words() -> None:
    assert sent(encode(REQUEST, dialect("openai"))) == {"model": "m", "input": ["a", "b"], "dimensions": 3}
    assert sent(encode(REQUEST._replace(dimensions=0), dialect("openai"))) == {"model": "m", "input": ["a", "b"]}
    assert sent(encode(REQUEST, dialect("cohere")))["texts"] == ["a", "b"]
    outgoing = encode(REQUEST, dialect("gemini"))
    assert outgoing.path == "/v1beta/models/m:batchEmbedContents"
    assert sent(outgoing)["requests"][1] == {  # type: ignore[index]
        "model": "models/m",
        "content": {"parts": [{"text": "b"}]},
        "outputDimensionality": 3,
    }


def test_a_provider_without_embeddings_and_a_request_without_text_are_refused() -> None:
    with pytest.raises(BadUsage, match="Anthropic has no embeddings"):
        encode(REQUEST, dialect("anthropic"))
    with pytest.raises(BadUsage, match="no text"):
        encode(EmbeddingRequest("m", ()), dialect("openai"))


@pytest.mark.parametrize(
    ("provider", "body", "usage"),
    [
        ("openai", {"data": [{"embedding": [0.5, 1]}], "usage": {"prompt_tokens": 8, "total_tokens": 8}}, Usage(8)),
        ("cohere", {"embeddings": {"float": [[0.5, 1]]}, "meta": {"billed_units": {"input_tokens": 8}}}, Usage(8)),
        ("gemini", {"embeddings": [{"values": [0.5, 1]}], "usageMetadata": {"promptTokenCount": 8}}, Usage(8)),
        ("gemini", {"embeddings": [{"values": [0.5, 1]}]}, None),
    ],
)
def test_each_protocol_answers_in_its_own_words(provider: str, body: object, usage: Usage | None) -> None:
    reply = decode(200, {}, json.dumps(body).encode(), dialect(provider))
    assert isinstance(reply, Reply)
    assert reply.vectors == ((0.5, 1.0),)
    assert reply.usage == usage


def test_a_vector_of_what_is_no_number_is_unreadable() -> None:
    for bad in (["x"], [None], [10**400]):
        with pytest.raises(Unreadable, match="not a number"):
            decode(200, {}, json.dumps({"data": [{"embedding": bad}]}).encode(), dialect("openai"))


def test_an_error_is_an_error() -> None:
    for status in (200, 500):
        assert isinstance(decode(status, {}, b'{"error": {"message": "no"}}', dialect("openai")), ApiError)
