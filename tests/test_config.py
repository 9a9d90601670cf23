"""config.toml, .aikeys.toml and where the home is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aikeys import config
from aikeys.errors import BadConfiguration

CANARY = "sk-CANARY-" + "a1" * 40


def _home(tmp_path: Path, text: str) -> str:
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    return str(tmp_path)


def _project(text: str) -> config.Project:
    return config.project_of("/p/.aikeys.toml", text.encode())


def _refused(home: str) -> BadConfiguration:
    with pytest.raises(BadConfiguration) as caught:
        config.load(home)
    return caught.value


def test_a_missing_config_gives_the_defaults(tmp_path: Path) -> None:
    assert config.load(str(tmp_path)) == config.EMPTY == config.Config()
    assert config.EMPTY.providers == {}


def test_an_empty_config_gives_the_defaults(tmp_path: Path) -> None:
    assert config.load(_home(tmp_path, "")) == config.EMPTY


def test_a_full_config_is_read(tmp_path: Path) -> None:
    text = """
[defaults]
model = "gpt-5"
labels = { team = "search", stage = "dev" }
[exec]
keys = ["openai", "anthropic"]
[providers.local]
base_url = "http://localhost:8000"
verify = false
"""
    read = config.load(_home(tmp_path, text))
    assert read.model == "gpt-5"
    assert read.labels == (("team", "search"), ("stage", "dev"))
    assert read.exec_keys == ("openai", "anthropic")
    assert read.providers == {"local": {"base_url": "http://localhost:8000", "verify": False}}


@pytest.mark.parametrize(
    ("text", "place", "nearest"),
    [
        ('[defualts]\nmodel = "x"', "defualts", "defaults"),
        ('[defaults]\nmodle = "x"', "defaults.modle", "model"),
        ('[exec]\nkey = ["x"]', "exec.key", "keys"),
        ('modle = "x"', "modle", "known here"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(
    tmp_path: Path, text: str, place: str, nearest: str
) -> None:
    error = _refused(_home(tmp_path, text))
    assert error.message == f"{tmp_path}/config.toml: {place} is not known"
    assert nearest in error.hint
    assert error.exit_status == 14


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[defaults]\nmodel = 5", "defaults.model"),
        ('[defaults]\nlabels = ["a"]', "defaults.labels"),
        ("[defaults]\nlabels = { a = 1 }", "defaults.labels"),
        ('[exec]\nkeys = "openai"', "exec.keys"),
        ("[exec]\nkeys = [1]", "exec.keys"),
        ('[exec]\nkeys = [""]', "exec.keys"),
        ("exec = 5", "exec"),
        ("providers = 5", "providers"),
        ("[providers]\nlocal = 5", "providers.local"),
    ],
)
def test_a_wrong_type_is_refused_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    assert f"config.toml: {place} must be" in _refused(_home(tmp_path, text)).message


@pytest.mark.parametrize(
    ("text", "line"),
    [("[defaults]\nmodel = \n", 2), (f"[exec]\n\n{CANARY}\n", 3), ('[defaults]\nmodel = """x\n\n', 3)],
)
def test_malformed_toml_is_refused_with_its_line_and_without_its_text(tmp_path: Path, text: str, line: int) -> None:
    error = _refused(_home(tmp_path, text))
    assert error.message == f"{tmp_path}/config.toml is not valid TOML in line {line}"
    assert "CANARY" not in repr(error) + error.hint


def test_a_file_that_is_not_text_or_too_large_or_too_deep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"[defaults]\nmodel = '\xff'\n")
    assert "UTF-8 text in line 2" in _refused(str(tmp_path)).message
    assert "1 MiB" in _refused(_home(tmp_path, "#" * (1 << 20) + "\n")).message
    assert "not valid TOML" in _refused(_home(tmp_path, "a = " + "[" * 50_000)).message


def test_a_config_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    assert "is a folder" in _refused(str(tmp_path)).message


def test_a_project_names_keys_variables_and_labels() -> None:
    text = '[exec]\nkeys = ["openai-work"]\nenv = { A = "one" }\n[defaults]\nlabels = { project = "my shop" }\n'
    assert _project(text) == config.Project(("openai-work",), (("A", "one"),), (("project", "my shop"),))
    assert _project("") == config.Project()


def test_variables_of_keys_are_read_from_config_toml_too(tmp_path: Path) -> None:
    assert config.load(_home(tmp_path, '[exec.env]\nMY_KEY = "openai"\n')).exec_env == (("MY_KEY", "openai"),)
    for wrong in ('env = "A"', "env = { A = 1 }", 'env = { A = "" }'):
        assert "exec.env must be a table" in _refused(_home(tmp_path, f"[exec]\n{wrong}\n")).message


@pytest.mark.parametrize(
    "text",
    [
        '[defaults]\nmodel = "gpt-5"',
        '[exec]\ncommand = "rm -rf /"',
        '[providers.openai]\nbase_url = "https://evil.example"',
        '[exec]\nkeys = ["https://evil.example"]',
        '[exec]\nkeys = ["\\u001b[2J"]',
        f'[exec]\nkeys = ["{CANARY}"]',
        f'[exec]\nenv = {{ A = "{CANARY}" }}',
        f'[exec]\nenv = {{ {CANARY} = "openai" }}',
        '[exec]\nenv = { A = "https://evil.example" }',
        f'[defaults]\nlabels = {{ team = "{CANARY}" }}',
        f'[defaults]\nlabels = {{ {CANARY} = "team" }}',
        f'[exec]\n{CANARY} = "x"',
        f'{CANARY} = "x"',
        f"{CANARY} = ",
    ],
)
def test_a_project_may_hold_nothing_else_and_a_secret_is_not_repeated(text: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        _project(text)
    said = caught.value.message + caught.value.hint
    assert "/p/.aikeys.toml" in said
    assert "CANARY" not in said
    assert "evil" not in said
    assert "\x1b" not in said


def test_importing_config_loads_nothing_heavy() -> None:
    heavy = "tomllib", "pathlib", "dotenv", "difflib", "platformdirs", "json"
    program = f"import sys; import aikeys.config; print([name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(config.__file__).parents[1],
    )
    assert run.stdout == "[]\n"


def test_tags_with_totals_of_their_own_are_names_of_tags(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[tags]\nrollup = ["ticket", "client"]\n')
    assert config.load(str(tmp_path)).rolled_tags == ("ticket", "client")
    for wrong in ('"ticket"', '["a=b"]', "[1]", '[""]'):
        (tmp_path / "config.toml").write_text(f"[tags]\nrollup = {wrong}\n")
        with pytest.raises(BadConfiguration, match=r"tags\.rollup must be a list"):
            config.load(str(tmp_path))


@pytest.mark.parametrize("secret", ["sk-proj-CANARY1234567890abcd", "QwErTyUiOpAsDfGhJkLzXcVb", "AIzaSyCANARY01234567"])
def test_a_key_in_a_projects_file_is_refused_and_not_repeated(secret: str) -> None:
    for text in (f'[exec]\nkeys = ["{secret}"]\n', f'[defaults.labels]\nteam = "{secret}"\n'):
        with pytest.raises(BadConfiguration) as refused:
            config.project_of("x", text.encode())
        assert secret not in refused.value.message + refused.value.hint


def test_what_replies_report_is_a_table_for_each_provider(tmp_path: Path) -> None:
    text = '[reported.openai]\nfree = ["usage.a"]\nfee = { "usage.b" = "web_searches" }\n'
    read = config.load(_home(tmp_path, text)).reported
    assert read == {"openai": {"free": ["usage.a"], "fee": {"usage.b": "web_searches"}}}
    assert "reported.openai" in _refused(_home(tmp_path, "[reported]\nopenai = 3\n")).message
