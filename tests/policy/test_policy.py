"""A policy is written, read back, planned and applied: the same, all of it or nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from aikeys import config
from aikeys.alerts.channels import Channel, CommandChannel, Email, Webhook
from aikeys.budgets.terms import Terms
from aikeys.budgets.verify import verify_budgets
from aikeys.errors import AikeysError, BadConfiguration, Cancelled
from aikeys.ledger.store import Ledger
from aikeys.ledger.verify import verify
from aikeys.policy import applying, plan
from aikeys.policy.editing import edited
from aikeys.policy.text import Policy, read, write

POLICY = Policy(
    {
        ("org", "month"): Terms(5 * 10**12),
        ("team:a b", "day"): Terms(1, "day", "warn", ()),
        ("user:ana", "total"): Terms(0, "total", "revoke", (100,)),
    },
    {
        "mail": Channel(
            "mail", ("budget",), Email("a@example.com", "b@example.com", "mx.example.com", 587, "starttls", "u", "smtp")
        ),
        "hook": Channel("hook", ("budget", "anomaly"), Webhook(url_key="hook", sign_key="sign")),
        "page": Channel("page", ("key",), CommandChannel(("/usr/bin/page", "-p", "high"), 60)),
    },
    {"fast": "openai/gpt-4.1-mini", "odd name": "x/y"},
    {"openai/gpt-5": {"input": 1, "output": 8}, "azure/ours": {"like": "openai/gpt-5"}},
)
CONFIG = """# mine
[defaults]
model = "fast"  # keep

[prices."openai/gpt-5"]
input = 1.25  # per contract
# and this
output = [1.25, 200000, 2.5]

[aliases]
# the fast ones
quick = "openai/gpt-4.1-mini"  # really
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(str(tmp_path)).open_or_create(b"L" * 16, "UTC")
    yield made
    made.close()


def put(ledger: Ledger, wanted: Policy) -> list[plan.PolicyChange]:
    home = str(Path(ledger.path).parent)
    found = plan.changes(applying.holding(ledger, home), wanted)
    applying.apply(ledger, home, wanted, found, "digest")
    return found


def test_what_is_written_is_read_back_the_same() -> None:
    text = write(POLICY)
    assert read(text, "policy.toml") == POLICY
    assert write(read(text, "policy.toml")) == text


def test_what_is_applied_holds_and_applying_it_again_changes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    assert len(put(ledger, POLICY)) == 10
    assert applying.holding(ledger, str(tmp_path)) == POLICY
    assert put(ledger, POLICY) == []
    verify_budgets(ledger)
    verify(ledger)


def test_what_a_section_does_not_name_is_removed_and_a_missing_section_stays(ledger: Ledger, tmp_path: Path) -> None:
    put(ledger, POLICY)
    found = put(ledger, Policy(budgets={("org", "month"): Terms(7 * 10**12)}, aliases={}))
    assert plan.summary(found) == "budgets=+0~1-2 aliases=+0~0-2"
    now = applying.holding(ledger, str(tmp_path))
    assert now.budgets == {("org", "month"): Terms(7 * 10**12)}
    assert now.aliases == {}
    assert now.alerts == POLICY.alerts
    assert now.prices == POLICY.prices


def test_applying_is_audited_with_the_digest_of_the_file(ledger: Ledger) -> None:
    put(ledger, Policy(budgets={("org", "month"): Terms(1)}))
    acts = [(entry.act, entry.detail) for entry, _ in ledger.entries()]
    assert acts[0] == ("config apply", "sha256=digest budgets=+1~0-0")
    assert acts[1][0] == "budget set"


def test_a_plan_that_was_overtaken_changes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    wanted = Policy(budgets={("org", "month"): Terms(1)})
    agreed = plan.changes(applying.holding(ledger, str(tmp_path)), wanted)
    put(ledger, Policy(budgets={("org", "month"): Terms(9)}))
    with pytest.raises(Cancelled, match="changed meanwhile"):
        applying.apply(ledger, str(tmp_path), wanted, agreed, "digest")
    assert applying.holding(ledger, str(tmp_path)).budgets == {("org", "month"): Terms(9)}


def test_what_fails_in_the_middle_leaves_ledger_and_config_as_they_were(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    before = ledger.head(), applying.holding(ledger, str(tmp_path))

    def no_room(*_: object) -> None:
        raise OSError("no room")

    for name in ("os.replace", "aikeys.alerts.outbox.add_channel"):
        with monkeypatch.context() as patch:
            patch.setattr(name, no_room)
            with pytest.raises((AikeysError, OSError)):
                put(ledger, POLICY)
        assert (ledger.head(), applying.holding(ledger, str(tmp_path))) == before
        assert (tmp_path / "config.toml").read_text() == CONFIG
        assert sorted(path.name for path in tmp_path.glob("config.toml*")) == ["config.toml"]


def test_a_commit_that_fails_puts_config_back(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    real = applying._replace

    def then_fail(path: str, text: str) -> None:
        real(path, text)
        if "openai/gpt-4.1-mini" not in text:
            raise OSError("killed here")

    monkeypatch.setattr(applying, "_replace", then_fail)
    with pytest.raises(OSError, match="killed here"):
        put(ledger, Policy(aliases={"quick": "openai/gpt-5"}))
    assert (tmp_path / "config.toml").read_text() == CONFIG


def test_comments_of_config_survive() -> None:
    prices = {"openai/gpt-5": {"input": 2, "output": [1, 200000, 3], "cache_read": 1}, "x/*": {"input": 3}}
    assert edited(CONFIG, {"quick": "openai/gpt-4.1-mini", "slow": "openai/gpt-5"}, prices) == (
        "# mine\n[defaults]\n"
        'model = "fast"  # keep\n\n'
        '[prices."openai/gpt-5"]\n'
        "input = 2  # per contract\n"
        "# and this\n"
        "output = [1, 200000, 3]\n"
        "cache_read = 1\n\n"
        '[prices."x/*"]\ninput = 3\n\n'
        "[aliases]\n# the fast ones\n"
        'quick = "openai/gpt-4.1-mini"  # really\n'
        'slow = "openai/gpt-5"\n'
    )


def test_what_does_not_change_keeps_every_byte() -> None:
    assert edited(CONFIG, None, None) == CONFIG
    assert edited(CONFIG, {"quick": "openai/gpt-4.1-mini"}, None) == CONFIG
    assert edited("", {}, {}) == ""


@pytest.mark.parametrize(
    "text",
    [
        'aliases = { a = "x/y", b = "x/b" }  # inline\n',
        '# dotted\naliases.a = "x/y"\n',
        '[aliases]\na = """\nx/y"""\n',
        '[prices]\n"x/y" = { input = 1 }\n[other]\nx = 1\n',
        '[prices."x/y"]\ninput = 1.50\n[other]\nx = 1\n[aliases]\n[prices."x/z"]\ninput = 0.1\n',
        "[aliases]\r\na = 'x/y' # with returns\r\n",
    ],
)
def test_every_way_of_writing_a_table_can_be_edited(text: str) -> None:
    prices = {"x/y": {"input": Decimal("2.50"), "output": [Decimal("0.1"), 200000, 3]}, "new/*": {"input": 1}}
    made = edited(text, {"a": "x/z"}, prices)
    found = tomllib.loads(made, parse_float=Decimal)
    assert (found["aliases"], found["prices"]) == ({"a": "x/z"}, prices)
    assert found.get("other") == tomllib.loads(text).get("other")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in made.splitlines() if line.startswith("#")
    ]
    assert edited(made, {}, {}).count("x/z") == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "not valid TOML"),
        ("[aliases]", 'does not begin with schema = "aikeys.policy/1"'),
        ("[budget]", "budget is not known"),
        ("budgets = 5", "budgets has the wrong form"),
        ('[[budgets]]\nwho = "org"', "budget 1: usd is missing"),
        ('[[budgets]]\nwho = "org"\nusd = "NaN"', "budget 1: 'NaN' is not an amount"),
        ('[[budgets]]\nwho = "org"\nusd = "-5"', "budget 1: '-5' is not an amount"),
        ('[[budgets]]\nwho = "tim:x"\nusd = "5"', "budget 1: tim:x is not a budget target"),
        ('[[budgets]]\nwho = "org"\nusd = "5"\nperod = "day"', "budget 1: perod is not known"),
        ('[[budgets]]\nwho = "org"\nusd = "5"\nperiod = "year"', "budget 1: 'year' is not a period"),
        ('[[budgets]]\nwho = "org"\nusd = 5\n[[budgets]]\nwho = "org"\nusd = 6', "budget 2: org has two budgets"),
        ('[alerts.x]\nkind = "pigeon"', "alerts.x: kind is not one of"),
        ('[alerts.x]\nkind = "email"\nto = "a@b.c"', "alerts.x: sender, host, port, security is missing"),
        ('[alerts.x]\nkind = "webhook"\nurl = "https://hooks.slack.com/services/T0/B0/XX"', "looks like a secret"),
        ('[alerts.x]\nkind = "command"\nargv = ["page"]', "needs an absolute path"),
        ('[alerts.x]\nkind = "command"\nargv = "x"', "argv has the wrong type"),
        ('[alerts.x]\nkind = "command"\nargv = ["/x"]\npassword = "1"', "password is not known"),
        ("[aliases]\na = 5", "aliases.a is not text"),
        ("prices = 5", "prices has the wrong form"),
        ("[prices]\na = 5", "prices.a must be a table"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, said: str) -> None:
    schema = "" if text == "[aliases]" else 'schema = "aikeys.policy/1"\n'
    with pytest.raises(BadConfiguration) as refused:
        read(schema + text, "policy.toml")
    assert said in refused.value.message
    assert refused.value.message.startswith("policy.toml")


def test_a_price_that_makes_no_sense_changes_nothing(ledger: Ledger) -> None:
    with pytest.raises(BadConfiguration, match=r"inptu"):
        put(ledger, Policy(budgets={("org", "month"): Terms(1)}, prices={"x/y": {"inptu": 1}}))
    assert config.load(str(Path(ledger.path).parent)).prices == {}
    assert ledger.head().number == 0
