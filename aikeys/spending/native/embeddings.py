"""Embeddings of OpenAI and all who speak them, and of Cohere (pure). The context window bounds each input alone."""

from __future__ import annotations

from aikeys.providers.wire.exact_json import Table
from aikeys.spending.native.findings import Findings, names
from aikeys.spending.native.openai_chat import how_many, read_parts

_KNOWN = names(
    "model input encoding_format dimensions user metadata input_type truncation output_dimension output_dtype"
)
_COHERE = names("model texts images inputs input_type embedding_types output_dimension truncate max_tokens")


def read(body: Table, found: Findings) -> None:
    """Read texts, or token numbers, to embed."""
    found.meter(body, _KNOWN)
    found.inputs = found.messages = how_many(body.get("input"))


def read_cohere(body: Table, found: Findings) -> None:
    """Read what Cohere is to embed."""
    found.meter(body, _COHERE)
    lists = [each for each in (body.get(name) for name in ("texts", "images", "inputs")) if isinstance(each, list)]
    found.inputs = found.messages = max(1, sum(map(len, lists)))
    images = body.get("images")
    for image in images if isinstance(images, list) else ():
        found.image(image)
    for each in found.many(body.get("inputs"), "inputs"):
        read_parts(each.get("content"), found)
