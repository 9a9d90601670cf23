from __future__ import annotations

import pytest

from aikeys.errors import UsageError
from aikeys.lending.arguments import ExecArguments, parse


def refused(line: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    return caught.value


def test_a_name_and_a_command_are_enough() -> None:
    assert parse(["openai", "--", "python", "app.py"]) == ExecArguments(
        names=("openai",),
        all=False,
        env=(),
        clean_env=False,
        nested=False,
        unmetered=False,
        command=("python", "app.py"),
        home=None,
        no_input=False,
        quiet=False,
        verbose=False,
        help=False,
    )


def test_every_option_is_read() -> None:
    line = "--env A=one --clean-env --nested --unmetered --home /h --no-input --quiet --verbose two -- true"
    assert parse(line.split()) == ExecArguments(
        names=("two", "one"),
        all=False,
        env=(("A", "one"),),
        clean_env=True,
        nested=True,
        unmetered=True,
        command=("true",),
        home="/h",
        no_input=True,
        quiet=True,
        verbose=True,
        help=False,
    )


def test_an_options_value_may_follow_an_equals_sign() -> None:
    found = parse(["--home=/a=b", "--env=A=one", "--", "true"])
    assert (found.home, found.env) == ("/a=b", (("A", "one"),))


def test_short_options_may_stand_together() -> None:
    found = parse(["-qv", "--", "true"])
    assert found.quiet
    assert found.verbose


def test_everything_after_the_first_separator_is_the_command_untouched() -> None:
    command = ["env", "--all", "--", "-h", "", "--metered", "--home"]
    found = parse(["openai", "--", *command])
    assert found.command == tuple(command)
    assert (found.all, found.help, found.home) == (False, False, None)


def test_names_keep_their_order_and_lose_repetitions() -> None:
    assert parse(["b", "a", "b", "--env", "X=c", "--env", "Y=a", "--", "true"]).names == ("b", "a", "c")


def test_without_names_there_are_none() -> None:
    assert parse(["--", "true"]).names == ()


def test_all_may_be_combined_with_env_but_not_with_names() -> None:
    found = parse(["--all", "--env", "X=a", "--", "true"])
    assert (found.all, found.names, found.env) == (True, (), (("X", "a"),))
    assert "exclude each other" in refused("--all a -- true").message


def test_the_separator_is_required() -> None:
    error = refused("openai ls")
    assert error.message == "exec needs -- before the program"
    assert error.hint == "aikeys exec NAME -- CMD"


@pytest.mark.parametrize("line", ["", "openai ls -l", "openai curl --location", "openai cp --home"])
def test_without_the_separator_the_programs_options_are_not_taken_for_ours(line: str) -> None:
    assert refused(line).message == "exec needs -- before the program"


@pytest.mark.parametrize("argv", [["openai", "--"], ["openai", "--", ""]])
def test_an_empty_command_is_refused(argv: list[str]) -> None:
    with pytest.raises(UsageError, match="no program"):
        parse(argv)


def test_an_empty_name_is_not_taken_for_no_name() -> None:
    with pytest.raises(UsageError, match="empty word"):
        parse(["", "--", "true"])


@pytest.mark.parametrize(
    ("word", "near"), [("--clean", "--clean-env"), ("--unmeterd", "--unmetered"), ("--hom=/x", "--home")]
)
def test_an_unknown_option_is_answered_with_the_nearest_known_one(word: str, near: str) -> None:
    error = refused(f"openai {word} -- true")
    assert error.message == f"exec has no option {word.partition('=')[0]}"
    assert error.hint == f"did you mean {near}?"


@pytest.mark.parametrize("word", ["-x", "-", "-qx", "--zzzzzzzz"])
def test_an_option_like_nothing_known_points_to_the_help(word: str) -> None:
    assert refused(f"{word} -- true").hint.startswith(("aikeys exec --help", "did you mean"))


def test_the_limits_of_a_metered_run_are_kept_as_they_were_typed_in_their_order() -> None:
    line = "--metered --budget 5 --model openai/* --ttl=1h --model x/y --rpm 60 openai -- true"
    found = parse(line.split())
    assert found.metered
    assert found.names == ("openai",)
    assert found.limits == (
        *(("--budget", "5"), ("--model", "openai/*"), ("--ttl", "1h"), ("--model", "x/y"), ("--rpm", "60")),
    )


def test_a_limit_needs_a_metered_run_to_limit() -> None:
    error = refused("--budget 5 openai -- true")
    assert (error.message, error.hint) == ("--budget limits a run that is metered", "add --metered")


def test_metered_and_unmetered_exclude_each_other() -> None:
    assert "exclude each other" in refused("--metered --unmetered openai -- true").message


def test_a_limit_stands_there_once_but_models_as_often_as_wanted() -> None:
    assert refused("--metered --budget 5 --budget 6 openai -- true").message == "--budget stands there twice"


def test_metered_takes_no_value() -> None:
    assert refused("--metered=1 openai -- true").message == "--metered takes no value"


@pytest.mark.parametrize("line", ["--home -- true", "--home= -- true", "--home --all -- true", "--env -- true"])
def test_an_option_without_its_value_is_refused(line: str) -> None:
    assert "needs a value" in refused(line).message


@pytest.mark.parametrize("value", ["A", "A=", "=a"])
def test_env_takes_a_variable_and_a_name(value: str) -> None:
    assert "VAR=NAME" in refused(f"--env {value} -- true").message


def test_one_variable_cannot_hold_two_keys() -> None:
    assert refused("--env A=one --env A=two -- true").message == "one and two are both to be set in A"


def test_a_flag_takes_no_value() -> None:
    assert refused("--all=yes -- true").message == "--all takes no value"


@pytest.mark.parametrize("line", ["--help", "-h", "openai -h", "--all openai --help --nonsense", "-qh -- true"])
def test_help_needs_nothing_else_to_be_right(line: str) -> None:
    assert parse(line.split()).help
