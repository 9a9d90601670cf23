"""Patterns of models and client addresses: what matches, and that what covers never allows less."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from re import DOTALL, escape, fullmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikeys.errors import UsageError
from aikeys.tokens import patterns

few = st.text("ab/*", max_size=8)
plain = st.text("ab/", max_size=8)


def by_regex(pattern: str, text: str) -> bool:
    return fullmatch(".*".join(map(escape, pattern.split("*"))), text, DOTALL) is not None


@given(few, plain)
def test_only_a_star_is_special(pattern: str, model: str) -> None:
    assert patterns.allows([pattern], model) == by_regex(pattern, model)


@given(st.text("aAß?[]!.*\\σΣς", max_size=6), st.text("aAß?[]!.\\σΣς", max_size=6))
def test_other_signs_stand_for_themselves_in_whatever_case(pattern: str, model: str) -> None:
    assert patterns.allows([pattern], model) == by_regex(pattern.lower(), model.lower())


@given(st.lists(few, max_size=3), st.lists(few, max_size=3), plain)
def test_what_is_covered_allows_nothing_more(wide: list[str], narrow: list[str], model: str) -> None:
    if patterns.covers(wide, narrow) and patterns.allows(narrow, model):
        assert patterns.allows(wide, model)


@given(st.text("aAΣσς*İ", max_size=5), st.text("aAΣσς*İ", max_size=5), st.text("aAΣσςİ", max_size=5))
def test_nor_where_letters_change_their_length_or_form_in_lower_case(wide: str, narrow: str, model: str) -> None:
    if patterns.covers([wide], [narrow]) and patterns.allows([narrow], model):
        assert patterns.allows([wide], model)


@given(st.lists(few, min_size=1, max_size=3))
def test_patterns_cover_themselves_and_no_pattern_covers_everything(these: list[str]) -> None:
    assert patterns.covers(these, these)
    assert patterns.covers([], these)
    assert not patterns.covers(these, [])


@pytest.mark.parametrize("wrong", ["gpt-4", "openai/", "/gpt", " openai/x", "a/" + "*" * 5, "a/" + "b" * 300, "a/\n"])
def test_what_is_no_pattern_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError):
        patterns.check_model(wrong)


networks = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).flatmap(
    lambda one: st.integers(0, one.max_prefixlen).map(lambda bits: str(ip_network(f"{one}/{bits}", strict=False)))
)
near = st.sampled_from(
    ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "0.0.0.0/0", "::/0", "::ffff:a00:0/104", "::ffff:0:0/96", "fe80::/10"]
)
addresses = st.one_of(
    st.ip_addresses().map(str), st.sampled_from(["10.1.2.3", "::ffff:10.1.2.3", "fe80::1%eth0", "::1", "no address"])
)


@given(st.lists(st.one_of(networks, near), max_size=3), st.lists(st.one_of(networks, near), max_size=3), addresses)
def test_who_may_come_to_the_narrower_may_come_to_the_wider(wide: list[str], narrow: list[str], one: str) -> None:
    if patterns.holds(wide, narrow) and patterns.is_from(narrow, one):
        assert patterns.is_from(wide, one)


def test_an_ipv4_address_inside_ipv6_is_itself() -> None:
    assert patterns.is_from(["10.0.0.0/8"], "::ffff:10.1.2.3")
    assert not patterns.is_from(["10.0.0.0/8"], "::ffff:11.1.2.3")
    assert ip_address("::ffff:10.1.2.3") in ip_network("::ffff:0:0/96")


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "10.0.0.0", "nowhere", "10.0.0.0/33", ""])
def test_only_networks_in_their_usual_form_stand_in_claims(wrong: str) -> None:
    assert not patterns.are_addresses([wrong])
    assert patterns.are_addresses(["10.0.0.0/8", "fe80::/10"])
