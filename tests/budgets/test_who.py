"""WHO as people write it, and which WHOs a call counts for."""

from __future__ import annotations

import pytest

from aikeys.budgets.who import Who, each_of, limited_who, parse_who, whos_of
from aikeys.errors import UsageError
from aikeys.ledger.calls import Context, Labels


@pytest.mark.parametrize(
    "text", ["org", "team:support", "team:*", "project:x", "project:*", "environment:prod", "user:ana", "user:*", "key:openai", "key:*", "token:7f3a90c2d4e5b611", "token:*", "team:a:b", "user:Ana Šarić"]
)  # fmt: skip
def test_every_form_of_who_is_read_and_written_the_same(text: str) -> None:
    assert str(parse_who(text)) == text
    assert limited_who(text) == parse_who(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a budget target"),
        ("support", "is not a budget target"),
        ("org:x", "is not a budget target"),
        ("org:", "is not a budget target"),
        ("Team:x", "is not a budget target"),
        ("team:", "lacks a name"),
        ("team", "lacks a name"),
        ("team:sup*", "mixes a name and *"),
        ("team:**", "mixes a name and *"),
        ("team: support", "outer spaces"),
        ("team:a\nb", "unprintable"),
        ("team:" + "x" * 201, "over 200"),
        ("x" * 500, "a long text is not a budget target"),
        ("token:ci", "ci is not a token id"),
        ("token:7f3a90c2d4e5b61", "is not a token id"),
    ],
)
def test_what_is_no_who_is_refused_with_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_who(text)
    assert words in refused.value.message
    assert ("token list" if text.startswith("token:") else "team:") in refused.value.hint


@pytest.mark.parametrize("kind", ["token:", "team:", "user:", "tokens:", "", "team:x-"])
def test_a_tokens_text_is_refused_and_not_repeated(kind: str) -> None:
    token = "aik_" + "0aZ9" * 20 + "Qq"
    for text in (token, token[:40]):
        with pytest.raises(UsageError) as refused:
            parse_who(kind + text)
        assert "it is a secret, is in the shell's history now, and should be revoked" in refused.value.message
        assert text[4:12] not in refused.value.message + refused.value.hint


def test_a_team_may_begin_like_a_token() -> None:
    assert str(parse_who("team:aik_support")) == "team:aik_support"


def test_a_tokens_id_is_kept_as_calls_have_it() -> None:
    assert str(parse_who("token:7F3A90C2D4E5B611")) == "token:7f3a90c2d4e5b611"


def test_a_mistyped_kind_is_told_the_nearest() -> None:
    with pytest.raises(UsageError) as refused:
        parse_who("teams:support")
    assert "did you mean team?" in refused.value.hint


def test_a_call_counts_for_everything_it_is_labelled_with() -> None:
    context = Context(Labels("support", "atlas", "prod", "ana"), token="t1", key="openai")
    digest = b"\x01" * 32
    assert whos_of(context, digest) == (
        "org", "team:support", "project:atlas", "environment:prod", f"user:{'01' * 32}", "key:openai", "token:t1",
    )  # fmt: skip


def test_a_call_without_labels_counts_for_org_alone() -> None:
    assert whos_of(Context(Labels()), b"") == ("org",)


def test_each_stands_for_its_kind() -> None:
    assert each_of("team:support") == "team:*"
    assert each_of("org") == "org"
    assert Who("team", is_each=True).limited == "team:*"
