"""Write the manual pages from the command tree: man/aikeys.1 and one page per command, sub-commands as sections.

`python man/generate.py` writes them, `--check` fails if those on disk differ. The same tree gives the same bytes.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from aikeys import __version__  # noqa: E402  a checkout is not always installed
from aikeys.cli import app  # noqa: E402
from aikeys.cli import help as help_  # noqa: E402

DATE = "2026-11-23"
_ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}


def pages() -> dict[str, str]:
    """Return every page's text by its file name."""
    tree = app.load_all()
    root = _context(tree, "aikeys", None)
    written = {"aikeys.1": _root_page(tree, root)}
    for name, command in tree.commands.items():
        if not command.hidden:
            written[f"aikeys-{name}.1"] = _command_page(name, command, _context(command, name, root))
    return written


def _context(command: Any, name: str, parent: Any) -> Any:
    return command.make_context(name, [], parent=parent, resilient_parsing=True)


def _root_page(tree: Any, context: Any) -> str:
    lines = [_title("aikeys"), *_name("aikeys", tree.help), *_synopsis(context), *_description(tree.help)]
    lines.append(".SH COMMANDS")
    for group in app.GROUPS:
        lines.append(f".SS {group}")
        for name, row in app.COMMANDS.items():
            if row.group == group:
                lines += [".TP", f"\\fB{_escape(f'aikeys-{name}')}\\fR(1)", _escape(row.help) + "."]
    lines += [*_options(context, ".SH"), *_epilog(tree.epilog, ".SH")]
    see = [f"aikeys-{name}" for name, row in app.COMMANDS.items() if row.group != app.HIDDEN]
    return _joined([*lines, *_see_also(see)])


def _command_page(name: str, command: Any, context: Any) -> str:
    title = f"aikeys-{name}"
    lines = [_title(title), *_name(title, command.help or app.COMMANDS[name].help), *_synopsis(context)]
    subs = {sub: child for sub, child in getattr(command, "commands", {}).items() if not child.hidden}
    lines += _description(command.help or app.COMMANDS[name].help + ".")
    lines += [*_arguments(context, ".SH"), *_options(context, ".SH")]
    for sub, child in subs.items():
        lines += _section(sub, child, _context(child, sub, context))
    return _joined([*lines, *_epilog(command.epilog, ".SH"), *_see_also(["aikeys"])])


def _section(name: str, command: Any, context: Any) -> list[str]:
    """A sub-command within its group's page."""
    lines = [f'.SH "{_escape(context.command_path.upper())}"', *_usage(context), ".PP", *_prose(command.help or name)]
    return [*lines, *_arguments(context, ".SS"), *_options(context, ".SS"), *_epilog(command.epilog, ".SS")]


def _title(name: str) -> str:
    return f'.TH "{_escape(name.upper())}" "1" "{DATE}" "aikeys {__version__}" "aikeys manual"'


def _name(name: str, text: str) -> list[str]:
    summary = text.strip().split("\n")[0].rstrip(".")
    return [".SH NAME", *_wrapped(f"{name} - {summary[:1].lower() + summary[1:]}")]


def _synopsis(context: Any) -> list[str]:
    return [".SH SYNOPSIS", *_usage(context)]


def _usage(context: Any) -> list[str]:
    pieces = " ".join(context.command.collect_usage_pieces(context))
    return [f".B {_escape(_path(context))}", _escape(pieces)]


def _path(context: Any) -> str:
    names: list[str] = []
    while context is not None:
        names.insert(0, context.info_name)
        context = context.parent
    return " ".join(names)


def _description(text: str) -> list[str]:
    return [".SH DESCRIPTION", *_prose(text)]


def _prose(text: str) -> list[str]:
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", _clean(text)):
        lines.append(".PP")
        if block.startswith("\b"):
            lines += [".nf", *(_escape(line) for line in block.removeprefix("\b").strip("\n").split("\n")), ".fi"]
        else:
            lines += _wrapped(block)
    return lines[1:]


def _arguments(context: Any, macro: str) -> list[str]:
    lines: list[str] = []
    for parameter in _shown(context, "argument"):
        name = parameter.metavar or parameter.name.upper()
        lines += [".TP", f"\\fI{_escape(name)}\\fR", *_wrapped(_help(parameter, "See the description."))]
    return [f"{macro} {'ARGUMENTS' if macro == '.SH' else 'Arguments'}", *lines] if lines else []


def _options(context: Any, macro: str) -> list[str]:
    lines: list[str] = []
    for parameter in _shown(context, "option"):
        names = ", ".join(f"\\fB{_escape(name)}\\fR" for name in _names(parameter))
        value = "" if parameter.is_flag else f" \\fI{_escape(parameter.make_metavar(context))}\\fR"
        text = _help(parameter, "No further description.")
        record = parameter.get_help_record(context)
        extra = re.search(r"\[((?:default|env var): [^\]]*)\]$", record[1]) if record else None
        said = f" ({extra.group(1)})" if extra else ""
        lines += [".TP", names + value, *_wrapped(text + said)]
    return [f"{macro} {'OPTIONS' if macro == '.SH' else 'Options'}", *lines] if lines else []


def _names(parameter: Any) -> list[str]:
    """Short ones first; sorted, because Typer gives those of --help in the order of a set."""
    return sorted([*parameter.opts, *parameter.secondary_opts], key=lambda name: name.startswith("--"))


def _shown(context: Any, kind: str) -> Iterator[Any]:
    for parameter in context.command.get_params(context):
        if parameter.param_type_name == kind and not getattr(parameter, "hidden", False):
            yield parameter


def _help(parameter: Any, otherwise: str) -> str:
    return " ".join((getattr(parameter, "help", None) or otherwise).split())


def _epilog(text: str | None, macro: str) -> list[str]:
    """Return notes, examples and exit statuses, as help.epilog wrote them, in the manual's form and order."""
    notes: list[str] = []
    examples: list[str] = []
    statuses: list[str] = []
    for block in re.split(r"\n\s*\n", (text or "").strip("\n")):
        heading, *rows = block.removeprefix("\b").strip("\n").split("\n")
        if heading == help_.EXAMPLES:
            examples = _examples(rows)
        elif heading == help_.EXIT_STATUS:
            statuses = _statuses(rows)
        elif heading:
            notes += [".PP", *_prose(block)]
    sections = (("NOTES", notes[1:]), ("EXIT STATUS", statuses), ("EXAMPLES", examples))
    lines: list[str] = []
    for heading, body in sections:
        if body:
            lines += [f"{macro} {heading if macro == '.SH' else heading.capitalize()}", *body]
    return lines


def _examples(rows: list[str]) -> list[str]:
    lines: list[str] = []
    for command, meaning in zip(rows[::2], rows[1::2], strict=True):
        said = meaning.strip()
        lines += [".PP", *_wrapped(said[:1].upper() + said[1:] + ":"), ".PP", ".RS 4", ".nf"]
        lines += [f"\\fB{_escape(command.strip())}\\fR", ".fi", ".RE"]
    return lines[1:]


def _statuses(rows: list[str]) -> list[str]:
    lines: list[str] = []
    for row in rows:
        status, meaning = row.split(maxsplit=1)
        lines += [".TP", f"\\fB{status}\\fR", *_wrapped(meaning)]
    return lines


def _see_also(names: list[str]) -> list[str]:
    return [".SH SEE ALSO", ",\n".join(f"\\fB{_escape(name)}\\fR(1)" for name in sorted(names))]


def _clean(text: str) -> str:
    from inspect import cleandoc

    return cleandoc(text).strip("\n")


def _escape(text: str) -> str:
    escaped = "".join(_ESCAPES.get(sign, sign) for sign in text)
    return re.sub(r"(?m)^\.", r"\\&.", escaped)


def _wrapped(text: str) -> list[str]:
    """Return the text as lines of at most 80 bytes of source; the reader's terminal fills them anew."""
    from textwrap import wrap

    words = " ".join(text.split())
    lines = wrap(_escape(words), 78, break_long_words=False, break_on_hyphens=False)
    return [f"\\&{line}" if line.startswith(".") else line for line in lines]


def _joined(lines: list[str]) -> str:
    """Join the lines; a manual page must not hold blanks at a line's end."""
    return "\n".join(line.rstrip() for line in lines) + "\n"


def main(argv: list[str]) -> int:
    """Write the pages, or with --check say which are stale; return the exit status."""
    wanted = pages()
    stale = [name for name, text in wanted.items() if not _same(HERE / name, text)]
    left_over = [path.name for path in sorted(HERE.glob("aikeys*.1")) if path.name not in wanted]
    if "--check" in argv:
        for name in [*stale, *left_over]:
            print(f"man/{name} is stale: run python man/generate.py", file=sys.stderr)
        return 1 if stale or left_over else 0
    for name in stale:
        (HERE / name).write_text(wanted[name], encoding="utf-8")
    for name in left_over:
        (HERE / name).unlink()
    return 0


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
