"""Every module has a test of its name, is imported by a test, or stands here with the scenario that covers it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    for path in (ROOT / "aikeys").rglob("*.py")
    if path.name != "__init__.py"
}
TESTS = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("*.py"))}
COVERED_BY = {
    "aikeys.budgets.raw_use": "cli/test_session_keep_and_lend.py",
    "aikeys.budgets.remaining": "cli/test_token.py",
    "aikeys.budgets.run_budgets": "cli/test_exec_metered.py",
    "aikeys.cli.alerting": "alerts/test_alert_cli.py",
    "aikeys.vault.revoked_keys": "cli/test_revoke.py",
    "aikeys.vault.sealed_records": "cli/test_revoke.py",
    "aikeys.cli.render.manual": "cli/test_help_command.py",
    "aikeys.cli.keys.project_files": "cli/test_allow.py",
    "aikeys.imports.places": "cli/test_scan.py",
    "aikeys.cli.keys.lines_away": "imports/test_import_removes.py",
    "aikeys.imports.removed_lines": "imports/test_import_removes.py",
    "aikeys.imports.rewriting": "imports/test_import_removes.py",
    "aikeys.cli.keys.found_keys": "imports/test_import_command.py",
    "aikeys.cli.raw_run": "cli/test_session_keep_and_lend.py",
    "aikeys.cli.checks.of_a_token": "cli/test_token_holder.py",
    "aikeys.cli.checks.surroundings": "cli/test_doctor.py",
    "aikeys.cli.commands.completion": "cli/test_app.py",
    "aikeys.cli.commands.estimate": "cli/test_prompt.py",
    "aikeys.cli.commands.exec_help": "cli/test_golden.py",
    "aikeys.cli.commands.init": "cli/test_session_keep_and_lend.py",
    "aikeys.cli.commands.ledger_erase": "ledger/test_ledger_commands.py",
    "aikeys.cli.commands.ledger_exchange": "ledger/test_ledger_export_file.py",
    "aikeys.cli.commands.ledger_resolve": "ledger/test_ledger_commands.py",
    "aikeys.cli.commands.logout": "remote/test_login.py",
    "aikeys.cli.commands.restore": "cli/test_due_undo_and_backup.py",
    "aikeys.cli.commands.rotate": "cli/test_add_and_edit.py",
    "aikeys.cli.commands.token_issue": "cli/test_token.py",
    "aikeys.cli.commands.unlock": "cli/test_session_keep_and_lend.py",
    "aikeys.cli.commands.unlock_method": "cli/test_due_undo_and_backup.py",
    "aikeys.cli.console.escapes": "cli/test_terminal.py",
    "aikeys.cli.console.silence": "cli/test_show_on_a_terminal.py",
    "aikeys.cli.demo.programs": "cli/test_demo.py",
    "aikeys.cli.keys.damaged_vault": "vault/test_revoking_in_damage.py",
    "aikeys.cli.keys.new_keys": "cli/test_add_and_edit.py",
    "aikeys.cli.keys.renewal": "cli/test_token.py",
    "aikeys.cli.keys.unlock_methods": "vault/test_rekey.py",
    "aikeys.cli.lent_keys": "cli/test_session_keep_and_lend.py",
    "aikeys.cli.options": "cli/test_app.py",
    "aikeys.cli.prompts.options": "cli/test_golden.py",
    "aikeys.cli.render.counted": "cli/test_token_revoke.py",
    "aikeys.cli.render.report_json": "reports/test_report_command.py",
    "aikeys.cli.render.report_sheets": "reports/test_report_command.py",
    "aikeys.cli.render.verdict": "ledger/test_ledger_commands.py",
    "aikeys.cli.time_options": "cli/test_golden.py",
    "aikeys.cli.tokens.figures": "cli/test_token.py",
    "aikeys.cli.tokens.register": "cli/test_token_revoke.py",
    "aikeys.cli.whom": "cli/test_budget.py",
    "aikeys.gateway.driver": "gateway/test_attempts.py",
    "aikeys.gateway.http.answers": "gateway/test_admin_routes.py",
    "aikeys.gateway.http.parameters": "gateway/test_admin_routes.py",
    "aikeys.gateway.off_the_loop": "gateway/test_large_bodies.py",
    "aikeys.gateway.single_run": "cli/test_exec_metered.py",
    "aikeys.ledger.import_checks": "ledger/test_import_in_pieces.py",
    "aikeys.ledger.own_contexts": "gateway/test_own_and_other.py",
    "aikeys.ledger.projections": "ledger/test_ledger_verify.py",
    "aikeys.ledger.staged": "ledger/test_import_in_pieces.py",
    "aikeys.network.certificates": "network/test_both_doors.py",
    "aikeys.network.deadlines": "network/test_hostile_upstreams.py",
    "aikeys.pricing.fetched": "pricing/test_updating.py",
    "aikeys.pricing.found": "pricing/test_price_book.py",
    "aikeys.pricing.price_table": "pricing/test_price_book.py",
    "aikeys.pricing.tables.genai": "pricing/test_oracle.py",
    "aikeys.pricing.tables.litellm": "pricing/test_oracle.py",
    "aikeys.pricing.tables.making": "pricing/test_oracle.py",
    "aikeys.pricing.download": "pricing/test_prices_command.py",
    "aikeys.pricing.overrides": "pricing/test_price_book.py",
    "aikeys.providers.inquiry": "providers/test_providers_balances.py",
    "aikeys.providers.token_count": "spending/test_free.py",
    "aikeys.providers.unpacking": "spending/test_transport.py",
    "aikeys.providers.wire.counts": "providers/wire/test_usage_openai.py",
    "aikeys.providers.wire.tools_openai": "providers/wire/test_fees_beside_tokens.py",
    "aikeys.remote.records": "cli/test_remote.py",
    "aikeys.reports.unusual": "reports/test_report_command.py",
    "aikeys.rotation.rotate": "cli/test_add_and_edit.py",
    "aikeys.spending.entry": "spending/test_replay.py",
    "aikeys.spending.retrying": "spending/test_targets.py",
    "aikeys.spending.side_by_side": "cli/test_prompt.py",
    "aikeys.storage.descriptors": "cli/test_poor_machine.py",
    "aikeys.tokens.finding": "cli/test_token.py",
}


def imported(text: str) -> set[str]:
    """Return the modules that a test imports, also within its functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{each.name}" for each in node.names)
    return found


def names_a_test(module: str) -> bool:
    """Tell whether a test file has the module's name, alone or beside other words."""
    name = module.rpartition(".")[2].strip("_")
    words = {path.stem.removeprefix("test_") for path in TESTS if path.stem.startswith("test_")}
    return any(f"_{name}_" in f"_{each}_" for each in words)


def untested(modules: set[str]) -> list[str]:
    known = set().union(*(imported(text) for text in TESTS.values()))
    return sorted(one for one in modules if one not in known and not names_a_test(one) and one not in COVERED_BY)


def test_every_module_is_tested() -> None:
    assert untested(MODULES) == []


def test_a_module_without_a_test_is_noticed() -> None:
    assert untested({"aikeys.ledger.nowhere_to_be_found"}) == ["aikeys.ledger.nowhere_to_be_found"]


@pytest.mark.parametrize("module", sorted(COVERED_BY))
def test_a_scenario_of_the_list_is_there_and_needed(module: str) -> None:
    assert module in MODULES
    assert (ROOT / "tests" / COVERED_BY[module]).is_file()
