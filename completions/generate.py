"""Write the completion scripts of bash, zsh and fish from the command tree.

Options, commands and choices are written into the scripts: no process starts at a TAB, except `aikeys __names` where a
key's name or a token's id belongs. After `exec … --` the shell completes as it would without aikeys: what follows is
another program's command line.
`python completions/generate.py` writes them, `--check` fails if those on disk differ.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from aikeys.cli import app  # noqa: E402  a checkout is not always installed
from aikeys.providers.catalogue import load  # noqa: E402
from aikeys.tokens.scopes import SCOPES  # noqa: E402
from aikeys.vault.unlock.methods import KINDS  # noqa: E402

_NAMES = {"keys": "aikeys __names 2>/dev/null", "tokens": "aikeys __names tokens 2>/dev/null"}
_KEY_PARAMETERS = {"name", "names", "key", "keys"}
_TOKEN_PARAMETERS = {"token", "tokens"}
_FILE_WORDS = {"FILE", "DIR", "PATH"}
_MAKES_A_NAME = {"add", "init"}
_SHELLS = ("bash", "zsh", "fish")
_CHOICES = re.compile(r"[a-z0-9-]+(\|[a-z0-9-]+)+")  # how a metavar lists them


@dataclass(frozen=True, slots=True)
class Option:
    """An option; `value` says what completes it: "" (a flag), "keys", "tokens", "files", "any" or words."""

    names: tuple[str, ...]
    help: str
    value: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A command with its path below aikeys, its sub-commands and what its arguments are."""

    path: tuple[str, ...]
    help: str
    subs: tuple[tuple[str, str], ...]
    options: tuple[Option, ...]
    argument: str
    words: tuple[str, ...]


def nodes() -> list[Node]:
    """Return the command tree, the root first."""
    tree = app.load_all()
    return list(_walk(tree, (), tree.make_context("aikeys", [], resilient_parsing=True)))


def _walk(command: Any, path: tuple[str, ...], context: Any) -> Iterator[Node]:
    subs = getattr(command, "commands", {})
    parameters = command.get_params(context)
    options = tuple(
        Option(_names(p), _line(p.help), *_value(p, path))
        for p in parameters
        if p.param_type_name == "option" and not p.hidden
    )
    arguments = [_value(p, path) for p in parameters if p.param_type_name == "argument"]
    kind, words = arguments[0] if arguments else ("", ())
    if path == ("completion",):
        kind, words = "words", _SHELLS
    shown = tuple((name, _line(child.help)) for name, child in subs.items() if not child.hidden)
    yield Node(path, _line(command.help), shown, options, kind, words)
    for name, child in subs.items():
        yield from _walk(child, (*path, name), child.make_context(name, [], parent=context, resilient_parsing=True))


def _names(parameter: Any) -> tuple[str, ...]:
    """Short ones first; sorted, because Typer gives those of --help in the order of a set."""
    return tuple(sorted([*parameter.opts, *parameter.secondary_opts], key=lambda name: name.startswith("--")))


def _value(parameter: Any, path: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    if getattr(parameter, "is_flag", False) or getattr(parameter, "count", False):
        return "", ()
    choices = _choices(parameter, path)
    if choices:
        return "words", choices
    if parameter.name in _TOKEN_PARAMETERS and path[:1] == ("token",):
        return "tokens", ()
    if parameter.name in _KEY_PARAMETERS and path[0:1] and path[0] not in _MAKES_A_NAME and parameter.metavar != "N":
        return "keys", ()
    meta = (parameter.metavar or parameter.name).upper()
    return ("files", ()) if any(word in meta for word in _FILE_WORDS) else ("any", ())


def _choices(parameter: Any, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values a parameter takes, as far as they are known before the command runs."""
    choices = tuple(str(getattr(choice, "value", choice)) for choice in getattr(parameter.type, "choices", ()))
    if choices:
        return choices
    if parameter.name == "scope":
        return tuple(SCOPES)
    if parameter.name == "provider":
        return tuple(sorted(load()))
    if path[:1] == ("unlock-method",) and parameter.param_type_name == "argument" and "KIND" in parameter.metavar:
        return KINDS
    meta = parameter.metavar or ""
    return tuple(meta.split("|")) if _CHOICES.fullmatch(meta) else ()


def _line(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_BASH_PROGRAM = (
    "_aikeys_program() {",
    "  if declare -F _command_offset >/dev/null; then",
    '    _command_offset "$1"',
    "  elif ((COMP_CWORD == $1)); then",
    '    mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")',
    "  else",
    "    compopt -o default",
    "  fi",
    "}",
)
_ZSH_PROGRAM = (
    "  local -i dashes=${words[(i)--]}",
    "  if (( dashes < CURRENT )); then shift $dashes words; (( CURRENT -= dashes )); _normal; return; fi",
)


def bash(tree: list[Node]) -> str:
    """Return the bash script."""
    paths = "|".join("/" + "/".join(node.path) for node in tree if node.path)
    lines = [
        "# Completion of aikeys for bash. Made by completions/generate.py.",
        *_BASH_PROGRAM,
        "_aikeys() {",
        "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path= word i",
        "  local -a at=()",
        "  COMPREPLY=()",
        "  for ((i = 1; i < COMP_CWORD; i++)); do",
        "    word=${COMP_WORDS[i]}",
        "    if [[ $word == -- ]]; then",
        "      [[ $path == /exec ]] && _aikeys_program $((i + 1))",
        "      return",
        "    fi",
        "    if [[ $word == --home ]]; then",
        "      [[ ${COMP_WORDS[i+1]} == = ]] && ((i++))",
        '      ((++i < COMP_CWORD)) && at=(--home "${COMP_WORDS[i]/#\\~/$HOME}")',
        "      continue",
        "    fi",
        '    case "$path/$word" in',
        f"      {paths}) path=$path/$word ;;",
        "    esac",
        "  done",
        "  case $path:$prev in",
    ]
    for node in tree:
        path = "".join(f"/{name}" for name in node.path)
        lines += [
            f"    {'|'.join(f'{path}:{name}' for name in option.names)}) {_bash(option.value, option.words)}; return ;;"
            for option in node.options
            if option.value
        ]
    lines += ["  esac", "  case $path in"]
    for node in tree:
        path = "".join(f"/{name}" for name in node.path) or "''"
        names = " ".join(name for option in node.options for name in option.names)
        subs = tuple(name for name, _ in node.subs)
        plain = _bash("words", subs) if subs else _bash(node.argument, node.words)
        flags = _bash("words", tuple(names.split()))
        lines.append(f"    {path}) if [[ $cur == -* ]]; then {flags}; else {plain}; fi ;;")
    return "\n".join([*lines, "  esac", "}", "complete -o bashdefault -F _aikeys aikeys", ""])


def _bash(kind: str, words: tuple[str, ...]) -> str:
    if kind in _NAMES:
        chosen = 'while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done'
        names = _NAMES[kind].replace("aikeys", 'aikeys "${at[@]}"', 1)
        return f"mapfile -t COMPREPLY < <({names} | {chosen})"
    if kind == "files":
        return "compopt -o default"
    return f'mapfile -t COMPREPLY < <(compgen -W {_quoted(" ".join(words))} -- "$cur")' if words else ":"


def zsh(tree: list[Node]) -> str:
    """Return the zsh script: one function per command."""
    lines = ["#compdef aikeys", "# Completion of aikeys for zsh. Made by completions/generate.py."]
    for kind, command in _NAMES.items():
        lines += [
            f"_aikeys__{kind}() {{",
            "  local -a names",
            f'  names=(${{(f)"$({command})"}})',
            "  compadd -a names",
            "}",
        ]
    for node in tree:
        lines += [f"{_function(node.path)}() {{", *_zsh_body(node), "}"]
    return "\n".join(
        [*lines, 'if [ "$funcstack[1]" = _aikeys ]; then _aikeys "$@"; else compdef _aikeys aikeys; fi', ""]
    )


def _function(path: tuple[str, ...]) -> str:
    return "_".join(["_aikeys", *path]).replace("-", "_")


def _zsh_body(node: Node) -> list[str]:
    specs = [
        _quoted(
            f"*{name}[{_zsh_text(option.help)}]"
            + (f":value:{_zsh(option.value, option.words)}" if option.value else "")
        )
        for option in node.options
        for name in option.names
    ]
    if not node.subs:
        rest = "'*:value:" + (_zsh(node.argument, node.words) if node.argument else "") + "'"
        body = "  _arguments -s " + " \\\n    ".join([*specs, rest])
        return [*_ZSH_PROGRAM, body] if node.path == ("exec",) else [body]
    rows = " ".join(_quoted(f"{name}:{_zsh_text(text)}") for name, text in node.subs)
    lines = ["  local curcontext=$curcontext state line", "  typeset -A opt_args"]
    lines.append("  _arguments -C " + " \\\n    ".join([*specs, "'1: :->command' '*:: :->arguments' && return"]))
    lines += [
        "  case $state in",
        f"    command) local -a commands; commands=({rows}); _describe -t commands command commands ;;",
    ]
    lines.append("    arguments) case $line[1] in")
    lines += [f"      {name}) {_function((*node.path, name))} ;;" for name, _ in node.subs]
    return [*lines, "    esac ;;", "  esac"]


def _zsh(kind: str, words: tuple[str, ...]) -> str:
    actions = {"keys": "_aikeys__keys", "tokens": "_aikeys__tokens", "files": "_files", "words": f"({' '.join(words)})"}
    return actions.get(kind, "")


def _zsh_text(text: str) -> str:
    for sign in "\\[]:":
        text = text.replace(sign, "\\" + sign)
    return text


def fish(tree: list[Node]) -> str:
    """Return the fish script; __aikeys_at says which command the line is in, and fails behind `--`."""
    paths = " ".join(_quoted("/".join(node.path)) for node in tree if node.path)
    lines = [
        "# Completion of aikeys for fish. Made by completions/generate.py.",
        "function __aikeys_at",
        "    set -l path",
        "    for word in (commandline -opc)[2..-1]",
        '        test "$word" = --; and return 1',
        "        set -l longer (string join -- / $path $word)",
        f'        contains -- "$longer" {paths}; and set -a path $word',
        "    end",
        '    test (string join / -- $path "") = "$argv[1]"',
        "end",
        "function __aikeys_other",
        "    contains -- -- (commandline -opc)",
        "end",
        "function __aikeys_program",
        "    set -l words (commandline -opc)",
        "    set -e words[1..(contains -i -- -- $words)]",
        "    complete --do-complete=(string join -- ' ' $words (commandline -ct))",
        "end",
        "complete -c aikeys -n 'not __aikeys_other' -f",
        "complete -c aikeys -n __aikeys_other -xa '(__aikeys_program)'",
    ]
    for node in tree:
        where = "__aikeys_at " + _quoted("".join(f"{name}/" for name in node.path))
        start = f"complete -c aikeys -n {_fish(where)}"
        lines += [f"{start} -a {_fish(name)} -d {_fish(text)}" for name, text in node.subs]
        lines += [f"{start} {_fish_option(option)} -d {_fish(option.help)}" for option in node.options]
        if node.argument and not node.subs and (action := _fish_action(node.argument, node.words)):
            lines.append(f"{start} {action}")
    return "\n".join([*lines, ""])


def _fish_option(option: Option) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    if not option.value:
        return names
    return f"{names} -r {_fish_action(option.value, option.words) or '-f'}"


def _fish_action(kind: str, words: tuple[str, ...]) -> str:
    if kind in _NAMES:
        return f"-f -a '({_NAMES[kind]})'"
    if kind == "files":
        return "-F"
    return f"-f -a {_fish(' '.join(words))}" if words else ""


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def main(argv: list[str]) -> int:
    """Write the scripts, or with --check say which are stale; return the exit status."""
    tree = nodes()
    wanted = {"aikeys.bash": bash(tree), "_aikeys": zsh(tree), "aikeys.fish": fish(tree)}
    stale = [name for name, text in wanted.items() if not _same(HERE / name, text)]
    for name in stale:
        if "--check" in argv:
            print(f"completions/{name} is stale: run python completions/generate.py", file=sys.stderr)
        else:
            (HERE / name).write_text(wanted[name], encoding="utf-8")
    return 1 if stale and "--check" in argv else 0


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
