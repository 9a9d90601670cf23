"""Runs with the interpreter that AIKEYS_SDK_PYTHON names, where the SDKs are: `sdk_calls.py SDK BASE_URL KEY`.

Every SDK gets a base URL and a key and nothing else. What it understood is printed as one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

ASKED = "Say hello"
TOOL_ASKED = "What is the weather in Oslo?"
JSON_ASKED = "Give me a person as JSON"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city", "parameters": PARAMETERS},
}
Found = dict[str, Any]


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def chat_usage(usage: Any) -> list[int] | None:
    return None if usage is None else [usage.prompt_tokens, usage.completion_tokens]


def calls_of(message: Any) -> list[Any]:
    return [[call.function.name, json.loads(call.function.arguments)] for call in message.tool_calls or []]


def openai_chat(client: Any, model: str) -> Found:
    """Ask in every way that a chat can be asked: whole, streamed, with a tool and its answer, as JSON."""
    create = client.chat.completions.create
    whole = create(model=model, messages=user(ASKED), max_tokens=50)
    found = {"whole": whole.choices[0].message.content, "usage": chat_usage(whole.usage)}
    found["finish"] = whole.choices[0].finish_reason
    with_usage = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 50}
    chunks = list(create(model=model, messages=user(ASKED), **with_usage))
    found["stream"] = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    found["stream_usage"] = [chat_usage(chunk.usage) for chunk in chunks if chunk.usage]
    bare = list(create(model=model, messages=user(ASKED), stream=True, max_tokens=50))
    found["bare_stream"] = "".join(chunk.choices[0].delta.content or "" for chunk in bare if chunk.choices)
    found["bare_stream_usage"] = [chat_usage(chunk.usage) for chunk in bare if chunk.usage]
    called = create(model=model, messages=user(TOOL_ASKED), tools=[TOOL], max_tokens=50).choices[0]
    found["tool"], found["tool_finish"] = calls_of(called.message), called.finish_reason
    found["tool_stream"] = streamed_tool(create(model=model, messages=user(TOOL_ASKED), tools=[TOOL], **with_usage))
    call = called.message.tool_calls[0]
    answered = [
        *user(TOOL_ASKED),
        called.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "rain"},
    ]
    found["tool_answered"] = (
        create(model=model, messages=answered, tools=[TOOL], max_tokens=50).choices[0].finish_reason
    )
    schema = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    person = create(model=model, messages=user(JSON_ASKED), response_format=schema, max_tokens=50)
    found["json"] = json.loads(person.choices[0].message.content)
    shown = [{"type": "text", "text": ASKED}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    seen = create(model=model, messages=[{"role": "user", "content": shown}], max_tokens=50)
    found["image"] = seen.choices[0].message.content
    return {**found, **openai_helpers(client, model)}


def openai_helpers(client: Any, model: str) -> Found:
    """Ask with the SDK's own ways of putting a stream together and of reading JSON, which are strict about both."""
    from pydantic import BaseModel

    class Person(BaseModel):
        name: str
        age: int

    parsed = client.chat.completions.parse(
        model=model, messages=user(JSON_ASKED), response_format=Person, max_tokens=50
    )
    found: Found = {"parsed": parsed.choices[0].message.parsed.model_dump()}
    strict = {**TOOL, "function": {**TOOL["function"], "strict": True}}
    strict["function"]["parameters"] = {**PARAMETERS, "additionalProperties": False}
    with client.chat.completions.stream(
        model=model, messages=user(TOOL_ASKED), tools=[strict], max_tokens=50, stream_options={"include_usage": True}
    ) as stream:
        last = stream.get_final_completion()
    found["helper_tool"] = calls_of(last.choices[0].message)
    found["helper_usage"], found["helper_finish"] = chat_usage(last.usage), last.choices[0].finish_reason
    return found


def streamed_tool(chunks: Any) -> list[Any]:
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for chunk in chunks:
        for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            names[call.index] = names.get(call.index, "") + (call.function.name or "")
            arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
    return [[names[index], json.loads(arguments[index])] for index in sorted(names)]


def openai(base_url: str, key: str, prefix: str = "") -> Found:
    import openai as sdk

    client = sdk.OpenAI(base_url=base_url, api_key=key)
    chat_model, small, embedding = f"{prefix}gpt-4.1", f"{prefix}gpt-4.1-mini", f"{prefix}text-embedding-3-small"
    found = openai_chat(client, chat_model)
    parsed = client.responses.create(model=small, input=ASKED, max_output_tokens=50)
    found["responses"] = [parsed.output_text, parsed.usage.input_tokens, parsed.usage.output_tokens]
    events = list(client.responses.create(model=small, input=ASKED, stream=True, max_output_tokens=50))
    found["responses_stream"] = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    found["responses_last"] = events[-1].type
    with client.responses.stream(model=small, input=ASKED, max_output_tokens=50) as stream:
        found["responses_helper"] = stream.get_final_response().output_text
    embedded = client.embeddings.create(model=embedding, input=["a", "b"])
    found["embeddings"] = [len(embedded.data), len(embedded.data[0].embedding) > 0]
    found["models"] = len(list(client.models.list())) > 0

    async def at_once() -> list[str]:
        async with sdk.AsyncOpenAI(base_url=base_url, api_key=key) as other:
            ask = other.chat.completions.create
            done = await asyncio.gather(*(ask(model=chat_model, messages=user(ASKED), max_tokens=50) for _ in range(8)))
        return [each.choices[0].message.content for each in done]

    found["at_once"] = asyncio.run(at_once())
    return found


def openai_any_provider(base_url: str, key: str) -> Found:
    return openai(base_url, key, "openai/")


def translated(base_url: str, key: str) -> Found:
    """OpenAI's SDK to three who speak otherwise."""
    import openai as sdk

    client = sdk.OpenAI(base_url=base_url, api_key=key)
    models = ("anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash", "cohere/command-a-03-2025")
    return {model.partition("/")[0]: openai_chat(client, model) for model in models}


def anthropic(base_url: str, key: str) -> Found:
    import anthropic as sdk

    client = sdk.Anthropic(base_url=base_url, api_key=key)
    asked: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 50}
    whole = client.messages.create(messages=user(ASKED), **asked)
    found: Found = {"whole": whole.content[0].text, "usage": [whole.usage.input_tokens, whole.usage.output_tokens]}
    with client.messages.stream(messages=user(ASKED), **asked) as stream:
        found["stream"] = "".join(stream.text_stream)
        found["stream_usage"] = stream.get_final_message().usage.output_tokens
    tool = {"name": "get_weather", "description": "The weather of a city", "input_schema": PARAMETERS}
    called = client.messages.create(messages=user(TOOL_ASKED), tools=[tool], **asked)
    found["tool"] = [[part.name, part.input] for part in called.content if part.type == "tool_use"]
    with client.messages.stream(messages=user(TOOL_ASKED), tools=[tool], **asked) as stream:
        last = stream.get_final_message()
    found["tool_stream"] = [[part.name, part.input] for part in last.content if part.type == "tool_use"]
    found["beta"] = client.beta.messages.create(messages=user(ASKED), **asked).content[0].text
    counted = client.messages.count_tokens(model=asked["model"], messages=user(ASKED))
    found["count_tokens"] = counted.input_tokens > 0
    return found


def anthropic_bearer(base_url: str, key: str) -> Found:
    import anthropic as sdk

    client = sdk.Anthropic(base_url=base_url, auth_token=key, api_key=None)
    whole = client.messages.create(messages=user(ASKED), model="claude-sonnet-4-5", max_tokens=50)
    return {"whole": whole.content[0].text}


def google_genai(base_url: str, key: str) -> Found:
    from google import genai
    from google.genai import types

    client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base_url))
    model, models = "gemini-2.5-flash", client.models
    whole = models.generate_content(model=model, contents=ASKED)
    counts = whole.usage_metadata
    found: Found = {"whole": whole.text, "usage": [counts.prompt_token_count, counts.candidates_token_count]}
    found["stream"] = "".join(each.text or "" for each in models.generate_content_stream(model=model, contents=ASKED))
    declared = types.FunctionDeclaration(name="get_weather", parameters_json_schema=PARAMETERS)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
    called = models.generate_content(model=model, contents=TOOL_ASKED, config=config)
    found["tool"] = [[call.name, call.args] for call in called.function_calls or []]
    v1 = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base_url, api_version="v1"))
    found["v1"] = v1.models.generate_content(model=model, contents=ASKED).text
    v1beta = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base_url, api_version="v1beta"))
    found["v1beta"] = v1beta.models.generate_content(model=model, contents=ASKED).text
    return found


def groq(base_url: str, key: str) -> Found:
    import groq as sdk

    client = sdk.Groq(base_url=base_url, api_key=key)
    asked: dict[str, Any] = {"model": "llama-3.3-70b-versatile", "messages": user(ASKED), "max_tokens": 50}
    whole = client.chat.completions.create(**asked)
    chunks = client.chat.completions.create(stream=True, **asked)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    return {"whole": whole.choices[0].message.content, "stream": text}


def together(base_url: str, key: str) -> Found:
    import together as sdk

    client = sdk.Together(base_url=base_url, api_key=key)
    asked: dict[str, Any] = {"model": "openai/gpt-oss-120b", "messages": user(ASKED), "max_tokens": 50}
    whole = client.chat.completions.create(**asked)
    chunks = client.chat.completions.create(stream=True, **asked)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    return {"whole": whole.choices[0].message.content, "stream": text}


def mistral(base_url: str, key: str) -> Found:
    from mistralai.client import Mistral

    client = Mistral(api_key=key, server_url=base_url)
    asked: dict[str, Any] = {"model": "mistral-large-latest", "messages": user(ASKED), "max_tokens": 50}
    whole = client.chat.complete(**asked)
    text = "".join(each.data.choices[0].delta.content or "" for each in client.chat.stream(**asked))
    return {"whole": whole.choices[0].message.content, "stream": text}


def cohere(base_url: str, key: str) -> Found:
    import cohere as sdk

    client = sdk.ClientV2(api_key=key, base_url=base_url)
    asked: dict[str, Any] = {"model": "command-a-03-2025", "messages": user(ASKED), "max_tokens": 50}
    whole = client.chat(**asked)
    events = list(client.chat_stream(**asked))
    text = "".join(event.delta.message.content.text for event in events if event.type == "content-delta")
    return {"whole": whole.message.content[0].text, "stream": text}


def langchain_openai(base_url: str, key: str) -> Found:
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings

    model = ChatOpenAI(model="gpt-4.1", base_url=base_url, api_key=key, max_tokens=50)
    bare = ChatOpenAI(model="gpt-4.1", base_url=base_url, api_key=key, max_tokens=50, stream_usage=False)
    tool = {"title": "get_weather", "description": "The weather of a city", **PARAMETERS}
    called = model.bind_tools([tool]).invoke(TOOL_ASKED)
    vectors = OpenAIEmbeddings(
        model="text-embedding-3-small", base_url=base_url, api_key=key, check_embedding_ctx_length=False
    ).embed_documents(["a", "b"])
    return {
        "whole": model.invoke(ASKED).content,
        "stream": "".join(str(chunk.content) for chunk in model.stream(ASKED)),
        "bare_stream": "".join(str(chunk.content) for chunk in bare.stream(ASKED)),
        "tool": [[call["name"], call["args"]] for call in called.tool_calls],
        "embeddings": [len(vectors), len(vectors[0]) > 0],
    }


def refused(base_url: str, key: str) -> Found:
    """Ask twice for what is refused, with the SDKs' own retries: what they raise, and what they say."""
    import anthropic as other
    import openai as sdk

    found: Found = {}
    try:
        sdk.OpenAI(base_url=f"{base_url}/v1", api_key=key).chat.completions.create(
            model="openai/gpt-4.1", messages=user(ASKED), max_tokens=50
        )
    except sdk.APIStatusError as failure:
        found["openai"] = [type(failure).__name__, failure.status_code, str(failure)]
    try:
        client = other.Anthropic(base_url=base_url, api_key=key)
        client.messages.create(model="claude-sonnet-4-5", messages=user(ASKED), max_tokens=50)
    except other.APIStatusError as failure:
        found["anthropic"] = [type(failure).__name__, failure.status_code, str(failure)]
    from google import genai
    from google.genai import errors, types

    try:
        asking = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base_url))
        asking.models.generate_content(model="gemini-2.5-flash", contents=ASKED)
    except errors.APIError as failure:
        found["google"] = [type(failure).__name__, failure.code, str(failure)]
    return found


if __name__ == "__main__":
    name, url, secret = sys.argv[1:4]
    print(json.dumps(globals()[name](url, secret)))
