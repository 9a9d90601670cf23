"""Whole paths of the fields that a request may have under a limit (pure): at any depth one is listed, or undecided.

A nested field can cost as much as one at the top (`reasoning.mode`). What is listed is metered by the reader of its
protocol, or changes no cost beyond what bounds the call. One line for each place:

    place: name other inner@place free*

- `free*`: whatever stands below is text that the model reads (schemas, arguments), or nobody's (metadata).
- `inner@place`: the fields below are those of that place.
- Any other name without a line of its own holds text, numbers, or lists of them.

Lists are no level of their own. The names at the top are the readers' to know.
"""

from __future__ import annotations

from functools import cache

from aikeys.providers.wire.exact_json import Table
from aikeys.providers.wire.values import Json

_DEEPEST = 32
_LONGEST = 100
_ROUTING = """
provider: order only ignore allow_fallbacks require_parameters data_collection zdr quantizations sort max_price
provider.sort: by partition
provider.max_price: prompt completion request image
"""
_CHAT = (
    _ROUTING
    + """
stream_options: include_usage include_obfuscation continuous_usage_stats
response_format: type json_schema schema*
response_format.json_schema: name description schema* strict
reasoning: effort max_tokens exclude enabled summary
thinking: type budget_tokens clear_thinking
audio: voice format
usage: include
web_search_options: search_context_size user_location
web_search_options.user_location: type approximate
web_search_options.user_location.approximate: city country region timezone
prompt_cache_options: mode ttl
metadata: *
logit_bias: *
tool_choice: *
function_call: name
functions: name description parameters*
tools: type function custom name description parameters* strict cache_control eager_input_streaming
tools.function: name description parameters* strict
tools.custom: name description format*
tools.cache_control: type ttl
messages: role content name tool_calls tool_call_id function_call refusal audio reasoning reasoning_content
messages: reasoning_details* prefix partial cache_control@tools.cache_control annotations*
messages.audio: id
messages.function_call: name arguments*
messages.tool_calls: id type index function custom extra_content*
messages.tool_calls.function: name arguments*
messages.tool_calls.custom: name input
messages.content: type text refusal thinking* image_url input_image input_audio video_url file input_file file_url
messages.content: document_url file_data file_id filename cache_control@tools.cache_control prompt_cache_breakpoint
messages.content: citations* annotations* signature reasoning
messages.content.image_url: url detail
messages.content.input_image: url detail
messages.content.input_audio: data format
messages.content.video_url: url
messages.content.file: file_data file_id filename
messages.content.input_file: file_data file_id filename
messages.content.file_url: url
messages.content.document_url: url
messages.content.prompt_cache_breakpoint: mode
"""
)
_RESPONSES = (
    _ROUTING
    + """
reasoning: effort summary generate_summary context max_tokens
text: format verbosity
text.format: type name description schema* strict
stream_options: include_obfuscation include_usage
prompt_cache_options: mode ttl
prompt: id version variables*
conversation: id
metadata: *
client_metadata: *
tool_choice: *
tools: type name description parameters* strict defer_loading server_label server_url server_description
tools: require_approval* headers* allowed_tools* authorization connector_id container search_context_size user_location
tools: filters* vector_store_ids max_num_results ranking_options external_web_access search_content_types
tools: indexed_web_access format* execution display_width display_height environment tools@tools
tools.container: type file_ids
tools.user_location: type city country region timezone
tools.ranking_options: ranker score_threshold hybrid_search*
input: type role content id status phase name arguments* call_id output@input.content input action* summary*
input: encrypted_content namespace server_label tools@tools execution error* queries results* code container_id
input: outputs* approve approval_request_id reason operation* acknowledged_safety_checks* pending_safety_checks*
input: max_output_length created_by caller*
input.content: type text annotations* logprobs* image_url detail file_id file_data file_url filename refusal
input.content: input_audio prompt_cache_breakpoint stdout stderr outcome*
input.content.input_audio: data format
input.content.prompt_cache_breakpoint: mode
"""
)
_MESSAGES = (
    _ROUTING
    + """
cache_control: type ttl
thinking: type budget_tokens display
output_config: effort format task_budget
output_config.format: type name schema*
output_config.task_budget: type total remaining
output_format: type name schema*
metadata: *
tool_choice: type name disable_parallel_tool_use
context_management: edits
context_management.edits: type trigger keep clear_at_least exclude_tools clear_tool_inputs
context_management.edits.trigger: type value
context_management.edits.keep: type value
context_management.edits.clear_at_least: type value
tools: type name description input_schema* strict cache_control@cache_control defer_loading allowed_callers
tools: eager_input_streaming input_examples* max_uses allowed_domains blocked_domains user_location
tools: display_width_px display_height_px display_number enable_zoom max_characters citations max_content_tokens
tools.user_location: type city region country timezone
tools.citations: enabled
system@messages.content
messages: role content
messages.content: type text cache_control@cache_control citations* id name input* tool_use_id content@messages.content
messages.content: is_error source title context thinking signature data caller* server_name file_id tool tool_name
messages.content: tool_references stdout stderr return_code stop_reason url encrypted_content page_age error_code
messages.content: retrieved_at
messages.content.tool: type name
messages.content.tool_references: type tool_name
messages.content.source: type data media_type url file_id content@messages.content
"""
)
_GEMINI = """
contents: role parts
systemInstruction@contents
contents.parts: text inlineData fileData functionCall* functionResponse executableCode* codeExecutionResult*
contents.parts: toolCall* toolResponse* thought thoughtSignature videoMetadata mediaResolution
contents.parts.inlineData: mimeType data displayName
contents.parts.fileData: mimeType fileUri displayName
contents.parts.functionResponse: id name response* parts@contents.parts willContinue scheduling
contents.parts.videoMetadata: startOffset endOffset fps
contents.parts.mediaResolution: level
tools: functionDeclarations*
toolConfig: functionCallingConfig retrievalConfig* includeServerSideToolInvocations
toolConfig.functionCallingConfig: mode allowedFunctionNames streamFunctionCallArguments
safetySettings: category threshold method
labels: *
generationConfig: stopSequences responseMimeType responseSchema* responseJsonSchema* responseModalities candidateCount
generationConfig: maxOutputTokens temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs
generationConfig: thinkingConfig mediaResolution speechConfig* imageConfig audioTimestamp
generationConfig.thinkingConfig: thinkingBudget thinkingLevel includeThoughts
generationConfig.imageConfig: aspectRatio imageSize
content@contents
requests: model content@contents taskType title outputDimensionality
"""
_COHERE = """
response_format: type schema* json_schema*
thinking: type token_budget
documents: *
citation_options: mode
tools: type function
tools.function: name description parameters* strict
messages: role content tool_calls tool_call_id tool_plan citations*
messages.tool_calls: id type index function
messages.tool_calls.function: name arguments*
messages.content: type text thinking image_url document* id source*
messages.content.image_url: url detail
inputs: content
inputs.content: type text image_url
inputs.content.image_url: url detail
"""
_LISTS = {
    "openai_chat": _CHAT,
    "openai_completions": "stream_options: include_usage\nmetadata: *\nlogit_bias: *\nprompt_cache_options: mode ttl\n",
    "openai_responses": _RESPONSES,
    "openai_compactions": _RESPONSES,
    "openai_embeddings": "metadata: *\n" + _ROUTING,
    "anthropic_messages": _MESSAGES,
    "gemini_generate": _GEMINI,
    "gemini_embeddings": _GEMINI,
    "cohere_chat": _COHERE,
    "cohere_embeddings": _COHERE,
}


class FieldPlace:
    """The fields of one place: by name, what may stand below each."""

    __slots__ = ("below", "is_free", "names")

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.below: dict[str, FieldPlace] = {}
        self.is_free = False


_NOTHING = FieldPlace()
"""Where no field is listed."""


@cache
def places(protocol: str) -> FieldPlace:
    """Return the top of a protocol's list; the names of the top itself are not in it."""
    root, free = FieldPlace(), FieldPlace()
    free.is_free = True

    def at(path: str) -> FieldPlace:
        found = root
        for name in filter(None, path.split(".")):
            found.names.add(name)
            found = found.below.setdefault(name, FieldPlace())
        return found

    lines = [line.strip() for line in _LISTS[protocol].splitlines() if line.strip()]
    for line in sorted(lines, key=lambda each: ":" not in each):
        where, _, names = line.partition(":")
        if not names:
            name, _, other = where.partition("@")
            root.below[name] = at(other)
            continue
        place = at(where)
        for name in names.split():
            plain, _, other = name.partition("@")
            if name == "*":
                place.is_free = True
            elif name.endswith("*"):
                place.names.add(name[:-1])
                place.below[name[:-1]] = free
            else:
                place.names.add(plain)
                if other:
                    place.below[plain] = at(other)
    return root


def unlisted(protocol: str, body: Table) -> list[str]:
    """Return the paths of the fields below the top that are not listed."""
    walk = _Walk(is_folded=protocol.startswith("gemini"))
    below = places(protocol).below
    for name, value in body.items():
        if isinstance(value, dict | list):
            plain = camel(name) if walk.is_folded else name
            walk.look(plain, value, below.get(plain, _NOTHING), 0)
    return walk.found


def camel(name: str) -> str:
    """Return a name of Google's as camelCase."""
    if "_" not in name:
        return name
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


class _Walk:
    """Goes through a body and notes what is not listed."""

    __slots__ = ("found", "is_folded")

    def __init__(self, *, is_folded: bool) -> None:
        self.is_folded = is_folded
        self.found: list[str] = []

    def look(self, path: str, value: Json, place: FieldPlace, depth: int) -> None:
        if place.is_free:
            return
        if depth > _DEEPEST:
            self.found.append(path[:_LONGEST])
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, dict):
                    self._fields(path, each, place, depth)
                elif isinstance(each, list):
                    self.look(path, each, place, depth + 1)
        elif isinstance(value, dict):
            self._fields(path, value, place, depth)

    def _fields(self, path: str, value: Table, place: FieldPlace, depth: int) -> None:
        for name, inner in value.items():
            plain = camel(name) if self.is_folded else name
            if inner is None:
                continue
            if plain not in place.names:
                self.found.append(f"{path}.{plain}"[:_LONGEST])
            elif isinstance(inner, (dict, list)):
                self.look(f"{path}.{plain}", inner, place.below.get(plain, _NOTHING), depth + 1)
