"""What a provider lacks is refused before anything is sent; what differs between providers is data."""

from __future__ import annotations

import pytest
from wire_samples import CATALOGUE, HELLO, NUMBER, PIXEL, WEATHER, dialect, sent, with_options

from aikeys.errors import BadConfiguration, UsageError
from aikeys.providers.catalogue import load
from aikeys.providers.wire.dialects import FEATURES, dialect_of
from aikeys.providers.wire.protocols import protocol_of
from aikeys.providers.wire.values import File, Image, Message, Options, Request, Text

SPEAKING = [name for name, provider in CATALOGUE.items() if provider.protocol not in ("native", "none")]
ASKING: dict[str, Request] = {
    "audio": HELLO._replace(messages=(Message("user", (File("audio/wav", b"RIFF"),)),), options=Options(9)),
    "cache": HELLO._replace(messages=(Message("user", (Text("hi", "5m"),)),), options=Options(9)),
    "effort": with_options(effort="low"),
    "files": HELLO._replace(messages=(Message("user", (File("application/pdf", b"%PDF"),)),), options=Options(9)),
    "file_urls": HELLO._replace(
        messages=(Message("user", (File("application/pdf", b"", "a.pdf", "https://example.com/a.pdf"),)),),
        options=Options(9),
    ),
    "image_urls": HELLO._replace(
        messages=(Message("user", (Image(url="https://example.com/a.png"),)),), options=Options(9)
    ),
    "image_detail": HELLO._replace(
        messages=(Message("user", (Image("image/png", PIXEL, detail="low"),)),), options=Options(9)
    ),
    "images": HELLO._replace(messages=(Message("user", (Image("image/png", PIXEL),)),), options=Options(9)),
    "json_object": with_options(json_object=True),
    "n": with_options(n=2),
    "names": HELLO._replace(messages=(HELLO.messages[0]._replace(name="ana"),), options=Options(9)),
    "parallel_tools": HELLO._replace(tools=(WEATHER,), options=Options(9, parallel_tools=False)),
    "penalties": with_options(frequency_penalty=0.5),
    "schema": HELLO._replace(schema=NUMBER, options=Options(9)),
    "seed": with_options(seed=7),
    "stop": with_options(stop=("END",)),
    "system": HELLO._replace(messages=(Message("system", (Text("be brief"),)), *HELLO.messages), options=Options(9)),
    "temperature": with_options(temperature=0.5),
    "tool_choice": HELLO._replace(tools=(WEATHER,), options=Options(9, tool_choice="required")),
    "tools": HELLO._replace(tools=(WEATHER,), options=Options(9)),
    "top_p": with_options(top_p=0.5),
}


def test_there_is_a_request_for_every_feature() -> None:
    assert set(ASKING) == set(FEATURES)


@pytest.mark.parametrize("name", SPEAKING)
@pytest.mark.parametrize("feature", ASKING)
def test_a_feature_is_in_what_is_sent_or_refused_by_the_name_of_the_provider(name: str, feature: str) -> None:
    spoken = dialect(name)
    plain = protocol_of(spoken).encode(with_options(), spoken)
    if feature in spoken.lacks:
        with pytest.raises(UsageError) as caught:
            protocol_of(spoken).encode(ASKING[feature], spoken)
        assert spoken.title in caught.value.message
    else:
        assert protocol_of(spoken).encode(ASKING[feature], spoken).body != plain.body


@pytest.mark.parametrize("name", SPEAKING)
def test_the_cap_goes_out_under_the_name_of_the_dialect(name: str) -> None:
    spoken = dialect(name)
    body = protocol_of(spoken).encode(with_options(max_tokens=321), spoken).body
    assert f'"{spoken.cap}":321'.encode() in body


@pytest.mark.parametrize("name", SPEAKING)
def test_usage_of_a_stream_is_asked_for_where_it_must_be_and_nowhere_else(name: str) -> None:
    spoken = dialect(name)
    body = protocol_of(spoken).encode(with_options()._replace(stream=True), spoken).body
    assert (b'"stream_options":{"include_usage":true}' in body) == (spoken.stream_usage == "include_usage")


def test_a_request_carries_no_credential() -> None:
    for name in SPEAKING:
        outgoing = protocol_of(dialect(name)).encode(with_options(), dialect(name))
        assert {header for header, _ in outgoing.headers} <= {"content-type", "anthropic-version"}
        assert outgoing.method == "POST"
        assert outgoing.path.startswith("/")


def test_mistral_calls_the_seed_by_another_name_and_must_not_be_asked_for_usage() -> None:
    body = sent(protocol_of(dialect("mistral")).encode(with_options(seed=3)._replace(stream=True), dialect("mistral")))
    assert body["random_seed"] == 3
    assert "seed" not in body
    assert "stream_options" not in body


def test_too_many_stop_sequences_are_refused() -> None:
    with pytest.raises(UsageError, match="at most 1 stop"):
        protocol_of(dialect("zhipu")).encode(with_options(stop=("a", "b")), dialect("zhipu"))


def test_anthropic_needs_a_cap_and_says_so() -> None:
    with pytest.raises(UsageError, match="needs a maximum of output tokens"):
        protocol_of(dialect("anthropic")).encode(HELLO, dialect("anthropic"))


def test_an_unknown_effort_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="huge is not a reasoning effort") as caught:
        protocol_of(dialect("openai")).encode(with_options(effort="huge"), dialect("openai"))
    assert "minimal, low" in caught.value.hint


def test_a_choice_of_tools_without_tools_is_refused() -> None:
    with pytest.raises(UsageError, match="needs tools"):
        protocol_of(dialect("openai")).encode(with_options(tool_choice="auto"), dialect("openai"))


@pytest.mark.parametrize("name", ["bedrock", "voyage", "replicate"])
def test_a_provider_without_a_chat_that_aikeys_speaks_says_so(name: str) -> None:
    with pytest.raises(UsageError, match="has no chat API"):
        protocol_of(dialect(name))


def test_responses_are_spoken_only_where_the_provider_has_them() -> None:
    assert protocol_of(dialect("openai"), "responses").name == "openai_responses"
    with pytest.raises(UsageError, match="has no responses API"):
        protocol_of(dialect("mistral"), "responses")


def test_a_provider_of_the_user_brings_its_own_dialect() -> None:
    wire = {"cap": "max_completion_tokens", "stream_usage": "never", "lacks": ["tools"]}
    mine = load({"llamacpp": {"env": ["LLAMA_KEY"], "base_url": "http://127.0.0.1:8080/v1", "wire": wire}})["llamacpp"]
    spoken = mine.dialect()
    body = sent(protocol_of(spoken).encode(with_options()._replace(stream=True), spoken))
    assert body["max_completion_tokens"] == 9
    assert "stream_options" not in body
    with pytest.raises(UsageError, match="llamacpp does not take tools"):
        protocol_of(spoken).encode(ASKING["tools"], spoken)


@pytest.mark.parametrize(
    ("protocol", "wire", "message"),
    [
        ("openai", {"capp": "x"}, "unknown setting capp"),
        ("openai", {"cap": 3}, "cap is not of the type"),
        ("openai", {"needs_cap": 1}, "needs_cap is not of the type"),
        ("openai", {"lacks": ["hope"]}, "unknown name hope"),
        ("openai", {"lacks": "tools"}, "not a list"),
        ("openai", {"reasoning": "twice"}, "reasoning is none of"),
        ("openai", {"cost": "usage.price"}, "cost is none of"),
        ("openai", {"protocol": "gemini"}, "unknown setting protocol"),
        ("morse", {}, "unknown protocol morse"),
    ],
)
def test_a_wrong_dialect_names_what_is_wrong(protocol: str, wire: dict[str, object], message: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        dialect_of("mine", "Mine", protocol, wire)
    assert message in caught.value.message


def test_a_wire_setting_that_is_no_table_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="wire is not a table"):
        load({"mine": {"env": ["A"], "wire": "openai"}})
