"""Writes ``docs/cli.md`` from the commands themselves, so that it cannot lag behind them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import typer

from bentopack.cli.app import app

PAGE = Path(__file__).with_name("cli.md")


def page() -> str:
    """The whole page, in Markdown."""
    parts = ["<!-- Made by `make docs` from the commands; edit their docstrings instead. -->\n# The command line\n"]
    parts += [_section(path, command) for path, command in _commands(typer.main.get_command(app), "bentopack")]
    return "\n".join(parts)


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, f"{path} {name}")


def _section(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, terminal_width=100, max_content_width=100)
    return f"## {path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


def main() -> None:
    """Write the page, or with ``--check`` exit with 1 when it differs."""
    text = page()
    if "--write" in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit("docs/cli.md is not what the commands say; run: make docs")


if __name__ == "__main__":
    main()
