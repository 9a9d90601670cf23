"""OpenAI embeddings and all who speak it, Cohere's and Gemini's replies too (pure)."""

from __future__ import annotations

import re
from urllib.parse import quote

from aikeys.providers.wire import usage_native, usage_openai
from aikeys.providers.wire.dialects import Dialect, check_embedding
from aikeys.providers.wire.exact_json import Table, items, read_table, table, text, write
from aikeys.providers.wire.openai_chat import JSON_HEADERS
from aikeys.providers.wire.refusals import Headers, in_body, refusal, request_id
from aikeys.providers.wire.values import ApiError, EmbeddingRequest, Json, Metered, Outgoing, Reply, Unreadable

_NUMBERS = re.compile(rb"\[[\s0-9eE+.,-]{64,}\]")
_AT_ONCE_BYTES = 1 << 18


def without_vectors(body: bytes) -> bytes:
    """Return a reply with its long lists of numbers empty, for whoever reads only usage, model and id.

    A text in it that reads like such a list becomes shorter, too: nobody reads it. In steps, see exact_json.
    """
    found, start = [], 0
    while start < len(body):
        end = body.find(b"]", start + _AT_ONCE_BYTES) + 1 or len(body)
        found.append(_NUMBERS.sub(b"[]", body[start:end]))
        start = end
    return b"".join(found)


def encode(request: EmbeddingRequest, dialect: Dialect) -> Outgoing:
    """Return the request as bytes; UsageError where the provider has no embeddings."""
    check_embedding(request, dialect)
    body: dict[str, Json]
    path = dialect.embeddings
    match dialect.protocol:
        case "cohere":
            body = {"model": request.model, "texts": list(request.texts), "input_type": "search_document"}
            body |= {"embedding_types": ["float"]} | (
                {"output_dimension": request.dimensions} if request.dimensions else {}
            )
        case "gemini":
            name = f"models/{request.model.removeprefix('models/')}"
            size = {"outputDimensionality": request.dimensions} if request.dimensions else {}
            body = {"requests": [{"model": name, "content": {"parts": [{"text": t}]}, **size} for t in request.texts]}
            path = f"{path}/{quote(request.model.removeprefix('models/'), safe='')}:batchEmbedContents"
        case _:
            body = {"model": request.model, "input": list(request.texts)}
            body |= {"dimensions": request.dimensions} if request.dimensions else {}
    return Outgoing("POST", path, JSON_HEADERS, write(body))


def decode(status: int, headers: Headers, body: bytes, dialect: Dialect) -> Reply | ApiError:
    """Return the vectors, or the error; Unreadable when it is neither."""
    if status >= 400:
        return refusal(status, headers, body)
    value = read_table(body)
    metered = _metered(value, dialect)
    vectors = _vectors(value)
    if not vectors and value.get("error"):
        return in_body(value)._replace(request_id=request_id(headers), message_id=text(value, "id"), metered=metered)
    return Reply(
        finish="stop",
        metered=metered,
        model=text(value, "model"),
        request_id=request_id(headers),
        message_id=text(value, "id"),
        vectors=vectors,
    )


def _metered(value: Table, dialect: Dialect) -> Metered:
    if "usageMetadata" in value:
        return usage_native.gemini(value["usageMetadata"], dialect)
    if "meta" in value and "usage" not in value:
        return usage_native.cohere(value, dialect)
    return usage_openai.metered(value, dialect, embeds=True)


def _vectors(value: Table) -> tuple[tuple[float, ...], ...]:
    found = [each.get("embedding") for each in items(value, "data")]
    found += [each.get("values") for each in items(value, "embeddings")]
    cohere = table(value, "embeddings").get("float")
    found += cohere if isinstance(cohere, list) else []
    return tuple(_floats(vector) for vector in found if isinstance(vector, list))


def _floats(vector: list[Json]) -> tuple[float, ...]:
    try:
        return tuple(map(float, vector))  # type: ignore[arg-type]  # what is no number is unreadable
    except (TypeError, ValueError, OverflowError):
        raise Unreadable("a vector of the provider's reply holds what is not a number") from None
