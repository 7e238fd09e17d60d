"""Writes ``docs/cli.md`` from the commands themselves, and the table of settings in ``docs/services.md``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from bentopack.cli.app import make_app
from bentopack.serve.settings import SETTINGS

PAGE = Path(__file__).with_name("cli.md")
SERVICES = Path(__file__).with_name("services.md")
BEGIN, END = "<!-- settings, made by `make docs` -->\n", "<!-- end of settings -->\n"
HEADER = """\
<!-- Made by `make docs` from the commands; edit their docstrings instead. -->
# The command line

Results go to standard output, everything else to standard error; progress is shown on a terminal only.
"""


def page() -> str:
    """The whole page, in Markdown."""
    sections = [_section(path, command) for path, command in commands(typer.main.get_command(make_app()), "bentopack")]
    return "\n".join([HEADER, *sections])


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each command with how it is typed, a group before what is below it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{path} {name}")


def _section(path: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and each.name != "help"]
    usage = " ".join([path, *map(_usage, arguments)])
    parts = [f"## {path}\n", inspect.cleandoc(command.help or ""), ""]
    if not hasattr(command, "commands"):
        parts += [f"    {usage}{' [OPTIONS]' if options else ''}\n"]
    rows = [(f"`{each.metavar or each.name.upper()}`", each.help or "") for each in arguments]
    rows += [(_spelling(each), _meaning(each)) for each in options]
    if rows:
        parts += ["| | |", "|---|---|", *(f"| {name} | {meaning} |" for name, meaning in rows), ""]
    return "\n".join(parts)


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _spelling(option: Any) -> str:
    """How an option is typed, its long form first."""
    value = "" if option.is_flag else f" {option.metavar or _choices(option) or option.name.upper()}"
    spelled = [*option.opts, *option.secondary_opts]
    return ", ".join(f"`{each}{value}`" for each in spelled).replace("|", "\\|")


def _meaning(option: Any) -> str:
    default = getattr(option.default, "value", option.default)
    shown = f" Default: `{default}`." if default not in (None, False, True, (), []) and not option.required else ""
    return f"{option.help}{shown}".replace("|", "\\|")


def _choices(option: Any) -> str:
    kind = type(option.default)
    return "|".join(str(each.value) for each in kind) if issubclass(kind, Enum) else ""


def services(text: str) -> str:
    """The page about services, with the settings as they are."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = [f"| {_typed(each)} | {_variables(each)} | {each.default} | {each.meaning} |" for each in SETTINGS]
    return "\n".join(
        [f"{before}{BEGIN}", "| option | variable | default | |", "|---|---|---|---|", *rows, "", END + after]
    )


def _typed(setting: Any) -> str:
    return ", ".join(f"`{each}`" for each in setting.spelling.split("/"))


def _variables(setting: Any) -> str:
    return ", else ".join(f"`{each}`" for each in setting.variables)


def main() -> None:
    """Write what is made, or with ``--check`` exit with 1 when it differs."""
    for path, text in ((PAGE, page()), (SERVICES, services(SERVICES.read_text(encoding="utf-8")))):
        if "--write" in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"docs/{path.name} is not what the code says; run: make docs")


if __name__ == "__main__":
    main()
