"""What a client learns of a provider's limits: how long to wait, and amounts only where it may read everybody's usage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aikeys.gateway.http.reply_headers import for_client, of_refusal

STATES = {
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-5h-status": "allowed_warning",
    "anthropic-ratelimit-unified-reset": "1790000000",
    "anthropic-ratelimit-unified-overage-status": "rejected",
    "anthropic-ratelimit-tokens-reset": "2026-12-01T00:00:00Z",
    "x-ratelimit-reset-requests": "6m0s",
    "x-ratelimit-reset-tokens": "17ms",
    "ratelimit-reset": "50",
}
AMOUNTS = {
    "anthropic-ratelimit-requests-limit": "4000",
    "anthropic-ratelimit-input-tokens-remaining": "1999000",
    "anthropic-ratelimit-unified-5h-utilization": "0.83",
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
    "anthropic-priority-input-tokens-remaining": "9",
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-remaining-tokens": "12",
    "x-ratelimit-limit-req-minute": "60",
    "ratelimit-limit": "100, 100;w=60",
}
PLAIN = {"content-type": "application/json", "retry-after": "3", "x-request-id": "r1"}
ACCOUNT = {
    "location": "x", "server": "y", "content-encoding": "gzip", "content-length": "9", "connection": "close",
    "openai-organization": "acme", "openai-project": "p1", "anthropic-organization-id": "o1", "set-cookie": "a=b",
    "x-ratelimit-limit-org-acme": "5", "x-ratelimit-limit-requests": "acme-corp-1", "authorization": "Bearer x",
    "anthropic-ratelimit-unified-status": "rejected for org_acme", "ratelimit-policy": '"acme";q=1;pk=:YWNtZQ==:',
    "x-ratelimit-reset-tokens": "acme", "anthropic-ratelimit-account-reset": "1", "x-goog-api-key": "k", "ratelimit": "a",
}  # fmt: skip


def test_a_refusal_says_to_everybody_when_it_ends_and_its_state_and_no_amount() -> None:
    seen = for_client({**PLAIN, **STATES, **AMOUNTS}, is_refusal=True)
    assert seen == {**PLAIN, **STATES}
    assert of_refusal({**PLAIN, **STATES, **AMOUNTS}) == STATES


def test_a_reply_says_nothing_of_limits_but_to_who_may_read_everybodys_usage() -> None:
    assert for_client({**PLAIN, **STATES, **AMOUNTS}) == PLAIN
    assert for_client({**PLAIN, **STATES, **AMOUNTS}, sees_amounts=True) == {**PLAIN, **STATES, **AMOUNTS}


def test_nobody_sees_whose_account_it_is_by_a_name_or_by_a_value() -> None:
    assert for_client(ACCOUNT, is_refusal=True, sees_amounts=True) == {}


@given(
    st.sampled_from([*STATES, *AMOUNTS]), st.from_regex(r"(org|proj|user|acct)[-_][A-Za-z0-9]{8,24}", fullmatch=True)
)
def test_no_id_of_an_account_is_the_value_of_a_limit(name: str, account: str) -> None:
    if any(character in "-0123456789" or character.isupper() for character in account):
        assert for_client({name: account}, is_refusal=True, sees_amounts=True) == {}
