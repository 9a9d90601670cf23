"""Gemini generateContent and embedContent (pure). Google takes a field as camelCase and as snake_case."""

from __future__ import annotations

from aikeys.providers.wire.exact_json import Table, at
from aikeys.providers.wire.values import Json
from aikeys.spending.native.findings import Findings, medium_of, names

_KNOWN = names(
    "model contents systemInstruction tools toolConfig safetySettings generationConfig cachedContent labels serviceTier"
)
_CONFIG = names(
    "stopSequences responseMimeType responseSchema responseJsonSchema responseModalities candidateCount "
    "maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs "
    "thinkingConfig mediaResolution speechConfig imageConfig audioTimestamp"
)
_PART = names(
    "text inlineData fileData functionCall functionResponse executableCode codeExecutionResult toolCall toolResponse "
    "thought thoughtSignature videoMetadata mediaResolution"
)
_EMBEDDING = names("model content requests taskType title outputDimensionality")


def read(body: Table, found: Findings) -> None:
    """Read a request for content."""
    value = _plain(body, found)
    found.meter(value, _KNOWN)
    found.referenced = value.get("cachedContent") is not None
    found.serve("service_tier", value.get("serviceTier"))
    contents = value.get("contents")
    for content in _several(contents) + _several(value.get("systemInstruction")):
        _content(content, found)
    tools = value.get("tools")
    for tool in _several(tools):
        for kind, inner in _plain(tool, found).items():
            if kind == "functionDeclarations":
                found.tools += len(_several(inner))
            elif inner is not None:
                found.unmetered.append(f"tools.{kind}")
    _config(_plain(value.get("generationConfig"), found), found)


def read_embedding(body: Table, found: Findings) -> None:
    """Read one text to embed, or a batch of them."""
    requests = _several(body.get("requests")) or [body]
    found.meter(_plain(body, found), _EMBEDDING)
    found.inputs = len(requests)
    for request in requests:
        value = _plain(request, found)
        found.meter(value, _EMBEDDING)
        for content in _several(value.get("content")):
            _content(content, found)


def _config(config: Table, found: Findings) -> None:
    found.meter(config, _CONFIG, "generationConfig.")
    found.choices = found.count(config.get("candidateCount"), "candidateCount", 1)
    found.max_output = found.count(config.get("maxOutputTokens"), "maxOutputTokens")
    thinking = _plain(config.get("thinkingConfig"), found)
    budget = thinking.get("thinkingBudget")
    found.thinking_tokens = budget if type(budget) is int and budget > 0 else 0
    found.tools += config.get("responseSchema") is not None or config.get("responseJsonSchema") is not None
    found.outputs(config.get("responseModalities"), "generationConfig.responseModalities")
    if found.output_modalities:
        found.cap_covers_reasoning = False


def _content(content: Table, found: Findings) -> None:
    found.messages += 1
    for part in _several(content.get("parts")):
        found.messages += 1
        value = _plain(part, found)
        found.meter(value, _PART, "parts.")
        _media(value, found)
        for inner in _several(_plain(value.get("functionResponse"), found).get("parts")):
            _media(_plain(inner, found), found)


def _media(part: Table, found: Findings) -> None:
    if part.get("fileData") is not None:  # what lies there is not seen, whatever type is claimed
        found.referenced = True
    if part.get("inlineData") is not None:
        data = _plain(part["inlineData"], found)
        found.medium(medium_of(data.get("mimeType")), data.get("data"))


def _several(value: Json) -> list[Table]:
    """Return the objects of a list; Google takes one alone as well."""
    found = value if isinstance(value, list) else [value]
    return [each for each in found if isinstance(each, dict)]


def _plain(value: Json, found: Findings) -> Table:
    """Return an object with its names as camelCase; a name that stands twice is not metered."""
    plain: dict[str, Json] = {}
    for name, inner in value.items() if isinstance(value, dict) else ():
        first, *rest = name.split("_")
        camel = first + "".join(word[:1].upper() + word[1:] for word in rest)
        if camel in plain:
            found.unmetered.append(name)
        plain[camel] = inner
    return plain


def cap_place(body: Table) -> tuple[str, str]:
    """Return the names under which a body has its cap, or would have it."""
    config = "generation_config" if "generation_config" in body else "generationConfig"
    inner = at(body, config)
    is_snake = isinstance(inner, dict) and "max_output_tokens" in inner
    return config, "max_output_tokens" if is_snake else "maxOutputTokens"
