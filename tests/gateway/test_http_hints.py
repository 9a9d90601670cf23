"""A client over HTTP is never told to type an option of the command line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from aikeys.errors import CannotDecide, NotFound, UsageError
from aikeys.gateway.formats.fields import InvalidRequest
from aikeys.gateway.http.error_bodies import told
from aikeys.gateway.http.hints import for_client

PACKAGE = Path(__file__).parents[2] / "aikeys"
BELOW = ("budgets", "spending", "tokens", "providers", "pricing", "ledger", "reports", "vault", "gateway", "names.py")


def texts() -> list[str]:
    """Every text in the rooms whose errors a gateway tells."""
    files = [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] in BELOW]
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("give --max-tokens, or leave attachments out", "give max_tokens, or leave attachments out"),
        (
            "raise --max-cost; see: aikeys estimate -m MODEL --output 5",
            "raise max_cost; see: aikeys estimate -m MODEL --output 5",
        ),
        ("--ttl says how long", "ttl says how long"),
        ("a--b stays, and so does -5 or 1--2", "a--b stays, and so does -5 or 1--2"),
        ("", ""),
    ],
)
def test_an_option_becomes_the_field_of_the_request(hint: str, expected: str) -> None:
    assert for_client(hint) == expected


def test_no_text_below_the_doors_tells_a_client_to_type_an_option() -> None:
    hints = [text for text in texts() if "--" in text]
    assert len(hints) > 50
    for text in hints:
        for clause in for_client(text).split("; "):
            before_a_command = re.split(r"\baikeys [a-z]", clause)[0]
            assert not re.search(r"(?<![\w-])--[a-z]", before_a_command), text


@pytest.mark.parametrize("kind", [UsageError, NotFound, CannotDecide])
def test_what_a_client_is_told_holds_no_option(kind: type[UsageError]) -> None:
    said = told(kind("--output is too large", "give --max-tokens 5"))
    assert said.message == "output is too large; give max_tokens 5"
    assert told(InvalidRequest("tools", "has no bound", "give --max-tokens")).message.endswith("give max_tokens")
