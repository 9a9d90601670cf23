"""What each found key is called."""

from __future__ import annotations

from aikeys.imports.naming import plan
from aikeys.imports.sources import Candidate
from aikeys.secret import Secret


def _candidate(secret: str, file: str = "/home/u/shop/.env", provider: str = "openai") -> Candidate:
    return Candidate(provider, "OPENAI_API_KEY", Secret(f"sk-CANARY-{secret}".encode()), "", file, 1, 1)


def _never(name: str, secret: Secret) -> bool:
    return False


def _names(*candidates: Candidate, existing: dict[str, str] | None = None) -> list[str]:
    return [planned.name for planned in plan(candidates, existing or {}, _never)]


def test_the_name_is_the_providers_name() -> None:
    (planned,) = plan([_candidate("1")], {}, _never)
    assert (planned.name, planned.action, planned.also) == ("openai", "add", ())


def test_a_taken_name_gets_the_folders_name_and_then_a_number() -> None:
    names = _names(*map(_candidate, "1234"), existing={"openai": "openai"})
    assert names == ["openai-shop", "openai-shop-2", "openai-shop-3", "openai-shop-4"]


def test_two_keys_of_one_run_do_not_collide() -> None:
    assert _names(_candidate("1", "/p/ProjectA/.env"), _candidate("2", "/p/Project B!/.env")) == [
        "openai",
        "openai-project-b",
    ]


def test_without_a_folder_only_the_number_is_left() -> None:
    assert _names(_candidate("1"), _candidate("2", ""), _candidate("3", "/.env"), _candidate("4", "/…/.env")) == [
        "openai",
        "openai-2",
        "openai-3",
        "openai-4",
    ]


def test_a_name_taken_by_another_providers_key_is_not_reused() -> None:
    assert _names(_candidate("1"), existing={"openai": "azure", "openai-shop": "azure"}) == ["openai-shop-2"]


def test_the_same_secret_found_twice_is_one_entry() -> None:
    first, again = _candidate("1"), _candidate("1", "/home/u/blog/.env")
    (planned, other) = plan([first, _candidate("2"), again], {}, _never)
    assert planned.candidate is first
    assert planned.also == (again,)
    assert other.name == "openai-shop"


def test_the_same_secret_of_two_providers_is_two_entries() -> None:
    assert _names(_candidate("1"), _candidate("1", provider="anthropic")) == ["openai", "anthropic"]


def test_a_secret_that_a_key_of_the_provider_holds_is_had_and_compared_with_no_other_provider() -> None:
    asked: list[str] = []

    def same(name: str, secret: Secret) -> bool:
        asked.append(name)
        return name == "work" and secret == Secret(b"sk-CANARY-1")

    existing = {"claude": "anthropic", "openai": "openai", "work": "openai"}
    had, added = plan([_candidate("1"), _candidate("2")], existing, same)
    assert (had.name, had.action) == ("work", "have")
    assert (added.name, added.action) == ("openai-shop", "add")
    assert "claude" not in asked


def test_a_plan_never_shows_a_secret() -> None:
    assert "CANARY" not in repr(plan([_candidate("1"), _candidate("1")], {}, _never))


def test_the_variables_are_those_that_the_programs_read() -> None:
    def variables(*names: str) -> tuple[str, ...]:
        first, *also = (_candidate("1")._replace(variable=name) for name in names)
        return plan([first, *also], {}, _never)[0].variables(("OPENAI_API_KEY", "OPENAI_OTHER"))

    assert variables("OPENAI_API_KEY") == ("OPENAI_API_KEY", "OPENAI_OTHER")
    assert variables("OPENAI_KEY", "VITE_KEY", "OPENAI_KEY") == ("OPENAI_KEY", "VITE_KEY")
    assert variables("OPENAI_KEY", "OPENAI_OTHER") == ("OPENAI_API_KEY", "OPENAI_OTHER", "OPENAI_KEY")
    assert variables("api_key") == variables("openai") == ("OPENAI_API_KEY", "OPENAI_OTHER")
