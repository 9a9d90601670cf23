"""One check of a name at every door: whatever the value, each door takes it as the same name, or none does."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w

from aikeys import clock, config, names, project
from aikeys.budgets.who import parse_who
from aikeys.cli.around import Around
from aikeys.cli.prompts.labels import labels, typed_labels
from aikeys.errors import AikeysError, UsageError
from aikeys.gateway.http import bodies
from aikeys.gateway.routes import key_requests
from aikeys.ledger.interchange import LineReader
from aikeys.policy import text as policy
from aikeys.pricing.book import Book
from aikeys.providers import catalogue
from aikeys.reports.groups import filters_of
from aikeys.spending.names import ModelNames, SpendingKey
from aikeys.tokens import patterns
from aikeys.tokens.token_request import TokenRequest, check_token_request

Door = Callable[[str], str | None]
ODD = {
    "escape": "\x1b[31m", "nul": "\0", "bell": "\a", "backspace": "\b", "tab": "\t", "line end": "\n", "return": "\r", "delete": "\x7f",
    "C1": "\x9b", "next line": "\x85", "no-break space": "\xa0", "soft hyphen": "\xad", "joiner": "\u034f", "arabic mark": "\u061c",
    "filler": "\u115f", "zero width": "\u200b", "zero width joiner": "\u200d", "left to right": "\u200e", "line": "\u2028",
    "paragraph": "\u2029", "override": "\u202e", "isolate": "\u2066", "wide space": "\u3000", "hangul filler": "\u3164",
    "private": "\ue000", "lone surrogate": "\ud800", "byte": "\udcff", "variant": "\ufe0f", "byte order mark": "\ufeff", "tag": "\U000e0041",
    "star": "*",
}  # fmt: skip
BAD = {
    **{f"{what} {where}": made.format(sign) for what, sign in ODD.items() for where, made in
       (("alone", "{}"), ("first", "{}a"), ("inside", "a{}b"), ("last", "a{}"))},
    "space alone": " ", "space first": " a", "space last": "a ", "long": "x" * 201, "endless": "x" * 10_000, "quoted": '"a',
    "a token": "aik_" + "0aZ9" * 20,
}  # fmt: skip
GOOD = [
    "a",
    "support",
    "Ana Šarić",
    "日本語",
    "a:b",
    "a=b",
    "a,b",
    "a'b",
    "<b>",
    "50%",
    "a/b",
    "$(x)",
    "\\",
    "e\u0301",
    "x" * 200,
    "😀",
]
KEYS_ONLY = ["openai", "openai-2", "team.support_eu"]


def first(found: object) -> str:
    """Return the one value of a tuple of pairs."""
    ((_, value),) = dict(found).items()  # type: ignore[call-overload]
    return str(value)


def allowed_around() -> Around:
    """Return what stands around a command whose project file is allowed."""
    around = Around("")
    found = project.find(around.folder)
    assert found is not None
    around._project = project.says(found)
    return around


def project_file(value: str) -> str:
    """Return a label as the nearest project file has it."""
    Path(config.PROJECT_FILE).write_text(tomli_w.dumps({"defaults": {"labels": {"team": value}}}), encoding="utf-8")
    try:
        return labels({}, (), config.EMPTY, {}, allowed_around()).team
    finally:
        Path(config.PROJECT_FILE).unlink()


def imported(field: str, value: str) -> str:
    row = {"id": "1", "at": "2026-11-01T10:00:00Z", "provider": "openai", "model": "openai/gpt-4.1", "cost_usd": "1"}
    item = LineReader(clock.now_us()).read(json.dumps({**row, field: value}).encode())
    assert item is not None
    context = item.call.context
    return {"team": context.labels.team, "key": context.key, "model": context.model, "token": context.token}[field]


def in_a_policy(who: str) -> str | None:
    found = policy.read(tomli_w.dumps({"schema": policy.SCHEMA, "budgets": [{"who": who, "usd": "5"}]}), "x")
    ((name, _),) = found.budgets or {}
    return parse_who(name).name or None


LABEL_DOORS: dict[str, Door] = {
    "prompt --team": lambda value: labels({"team": value}, (), config.EMPTY, {}, Around("")).team,
    "prompt --tag": lambda value: labels({}, (f"client={value}",), config.EMPTY, {}, Around("")).tags[0][1],
    "add, edit, token issue": lambda value: typed_labels({"user": value}, ())["user"],
    "config.toml": lambda value: labels({}, (), config.EMPTY._replace(labels=(("team", value),)), {}, Around("")).team,
    "project file": project_file,
    "gateway chat": lambda value: bodies.labels_in({"metadata": {"team_id": value}}, tags=True)["team"],
    "gateway tag": lambda value: bodies.labels_in({"metadata": {"client": value}}, tags=True)["client"],
    "gateway native": lambda value: bodies.labels_in({"metadata": {"project": value}}, tags=False)["project"],
    "POST /v1/keys": lambda value: first(key_requests.token_request_of({"team_id": value}).labels),
    "POST /v1/keys tags": lambda value: first(key_requests.token_request_of({"tags": {"client": value}}).labels),
    "import": lambda value: imported("team", value),
    "budget": lambda value: parse_who(f"user:{value}").name or None,
    "config apply": lambda value: in_a_policy(f"team:{value}"),
    "report --where": lambda value: filters_of([f"team={value}"])[0][1][0],
}
TOKEN_DOORS: dict[str, Door] = {
    "token issue": lambda value: check_token_request(TokenRequest(name=value)) or names.composed(value),  # type: ignore[dict-item]
    "POST /v1/keys": lambda value: key_requests.token_request_of({"name": value}).name,
}
KEY_DOORS: dict[str, Door] = {
    "add": names.key_name,
    "import": lambda value: imported("key", value),
    "budget": lambda value: parse_who(f"key:{value}").name or None,
    "report --where": lambda value: filters_of([f"key={value}"])[0][1][0],
}


@pytest.fixture(scope="module")
def models() -> ModelNames:
    known = catalogue.load()
    return ModelNames(
        [SpendingKey("ollama", "ollama", "http://127.0.0.1:1", is_default=True)],
        known,
        Book("/nowhere", {}, {}, known),
        {},
    )


def model_doors(found: ModelNames) -> dict[str, Door]:
    return {
        "prompt -m": lambda value: found.resolve(f"ollama/{value}").model,
        "estimate": lambda value: found.priced(f"ollama/{value}").model,
        "gateway body": lambda value: found.resolve(f"ollama/{bodies.model_of({'model': value})}").model,
        "token issue --model": lambda value: (
            None if "*" in value else patterns.check_model(f"p/{value}").partition("/")[2]
        ),
        "import": lambda value: imported("model", value).removeprefix("openai/"),
        "report --where": lambda value: filters_of([f"model={value}"])[0][1][0],
    }


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_REPOSITORY", "GITHUB_REF_NAME", "GITHUB_HEAD_REF", "CI_PROJECT_PATH", "CI_COMMIT_REF_NAME"):
        monkeypatch.delenv(name, raising=False)


def verdicts(doors: dict[str, Door], value: str) -> dict[str, str | None]:
    """Return what each door makes of a value, None where it refuses; anything but a sentence of ours fails."""
    return {name: verdict(name, door, value) for name, door in doors.items()}


def verdict(name: str, door: Door, value: str) -> str | None:
    try:
        return door(value)
    except UnicodeEncodeError:
        if name != "project file":  # which cannot even be written
            raise
        return None
    except AikeysError as refused:
        sentence = f"{refused.message} {refused.hint}"
    assert names.is_seen(sentence)
    assert "0aZ90aZ9" not in sentence
    return None


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_name_is_refused_at_every_door(what: str, models: ModelNames) -> None:
    value = BAD[what]
    for doors in (LABEL_DOORS, TOKEN_DOORS, KEY_DOORS, model_doors(models)):
        assert not {door: found for door, found in verdicts(doors, value).items() if found is not None}


@pytest.mark.parametrize("value", GOOD)
def test_a_name_is_the_same_name_at_every_door(value: str, models: ModelNames) -> None:
    wanted = unicodedata.normalize("NFC", value)
    assert set(verdicts(LABEL_DOORS, value).values()) == {wanted}
    assert set(verdicts(model_doors(models), value[:180]).values()) == {wanted[:180]}
    assert set(verdicts(TOKEN_DOORS, value[:100]).values()) == {wanted[:100]}


@pytest.mark.parametrize("value", [*GOOD, *KEYS_ONLY])
def test_a_keys_name_has_one_verdict(value: str) -> None:
    found = set(verdicts(KEY_DOORS, value).values())
    assert found == {value if value in ("a", "support", *KEYS_ONLY) else None}


def test_what_git_and_ci_say_is_dropped_where_it_is_no_label(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in BAD.values():
        if "\0" in value or any("\ud800" <= sign < "\udc80" for sign in value):
            continue  # no environment can hold it
        monkeypatch.setenv("GITHUB_REF_NAME", value)
        assert labels({}, (), config.EMPTY, {}, Around("")).tags == ()


def test_two_things_said_of_one_label_are_refused() -> None:
    with pytest.raises(UsageError, match="two things of team"):
        bodies.labels_in({"metadata": {"team_id": "a", "team": "b"}}, tags=True)


def test_a_label_is_read_however_much_stands_before_it() -> None:
    many = {f"t{number}": "x" for number in range(30)}
    assert bodies.labels_in({"metadata": {**many, "team_id": "a"}}, tags=False) == {"team": "a"}
    with pytest.raises(UsageError, match="more than 16 tags"):
        bodies.labels_in({"metadata": {**many, "team_id": "a"}}, tags=True)
