"""Go, wait, lower or refuse: every rule on its own, then all of them against arbitrary budgets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aikeys.budgets.decisions import AT_LIMIT, BLOCKING, Ask, Busy, Go, Refuse, Room, Wait, decide


def room(limit: int, spent: int = 0, reserved: int = 0, at_limit: str = "block", who: str = "org") -> Room:
    return Room(who, "month", 0, limit, spent, reserved, at_limit)


def test_what_fits_goes() -> None:
    assert decide([room(100, 30, 20)], Ask(50, 10)) == Go(50)


def test_without_a_budget_everything_goes() -> None:
    assert decide([], Ask(50, 10)) == Go(50)


def test_one_too_much_waits_for_open_reservations() -> None:
    full = room(100, 30, 21)
    assert decide([full], Ask(50, 10)) == Wait(full)


def test_what_would_pass_the_limit_alone_is_lowered_to_what_is_left() -> None:
    assert decide([room(100, 60)], Ask(50, 40)) == Go(40)


def test_what_is_lowered_waits_until_nothing_is_reserved() -> None:
    full = room(100, 60, 1)
    assert decide([full], Ask(50, 40)) == Wait(full)


def test_below_the_floor_is_refused_at_once_whatever_is_reserved() -> None:
    full = room(100, 61, 39)
    assert decide([full], Ask(50, 40)) == Refuse(full, revoke=False)


def test_at_the_deadline_it_is_lowered_into_what_is_free() -> None:
    assert decide([room(100, 30, 25)], Ask(50, 45), last=True) == Go(45)


def test_at_the_deadline_less_than_the_floor_is_busy() -> None:
    full = room(100, 30, 26)
    assert decide([full], Ask(50, 45), last=True) == Busy(full)


def test_a_warning_budget_never_blocks() -> None:
    assert decide([room(0, 500, at_limit="warn")], Ask(50, 10)) == Go(50)


def test_revoke_blocks_and_says_so() -> None:
    full = room(100, 100, at_limit="revoke")
    assert decide([full], Ask(50, 10)) == Refuse(full, revoke=True)


def test_one_call_that_is_too_dear_for_an_untouched_limit_revokes_nothing() -> None:
    untouched, touched, zero = (room(*each, at_limit="revoke") for each in ((100, 0, 60), (100, 1), (0,)))
    assert decide([untouched], Ask(200, 101)) == Refuse(untouched, revoke=False)
    assert decide([touched], Ask(200, 101)) == Refuse(touched, revoke=True)
    assert decide([zero], Ask(200, 101)) == Refuse(zero, revoke=True)


def test_a_blocking_budget_beside_a_revoking_one_with_room_revokes_nothing() -> None:
    full = room(100, 100)
    assert decide([room(1000, 0, at_limit="revoke"), full], Ask(50, 10)) == Refuse(full, revoke=False)


def test_a_zero_budget_lets_a_free_call_through_and_no_other() -> None:
    zero = room(0)
    assert decide([zero], Ask(0, 0)) == Go(0)
    assert decide([zero], Ask(1, 1)) == Refuse(zero, revoke=False)
    assert decide([room(10, 12)], Ask(0, 0)) == Go(0)


def test_the_tightest_of_several_decides() -> None:
    wide, narrow = room(1000, 0, 990, who="org"), room(40, 0, 0, who="team:x")
    assert decide([wide, narrow], Ask(50, 10)) == Wait(wide)
    assert decide([wide, narrow], Ask(50, 41)) == Refuse(narrow, revoke=False)
    assert decide([wide, narrow], Ask(10, 10)) == Go(10)


amounts = st.integers(min_value=0, max_value=30)
rooms = st.lists(st.builds(room, amounts, amounts, amounts, st.sampled_from(AT_LIMIT)), max_size=4)
prices = st.tuples(amounts, amounts).map(lambda pair: Ask(max(pair), min(pair)))


@given(rooms, prices, st.booleans())
def test_no_decision_passes_a_limit_or_refuses_what_there_is_money_for(
    rooms: list[Room], price: Ask, last: bool
) -> None:
    blocking = [one for one in rooms if one.at_limit in BLOCKING]
    left = min((one.left_pusd for one in blocking), default=price.worst_pusd)
    decision = decide(rooms, price, last=last)
    match decision:
        case Go(pusd):
            assert price.floor_pusd <= pusd <= price.worst_pusd
            assert pusd or not price.worst_pusd
            assert all(one.spent_pusd + one.reserved_pusd + pusd <= one.limit_pusd for one in blocking) or pusd == 0
        case Refuse(one, _):
            assert one.left_pusd == left < max(price.floor_pusd, 1)
        case Wait(one) | Busy(one):
            assert left >= price.floor_pusd
            assert one.free_pusd < min(price.worst_pusd, left)
            assert isinstance(decision, Busy) == last
