"""Help, version, and what they cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import bentopack as package
from bentopack.cli.app import make_app
from tests.command import bentopack

COMMANDS = typer.main.get_command(make_app())


def leaves(command: Any, path: str = "bentopack") -> list[tuple[str, Any]]:
    """The commands that do something, with how they are typed."""
    below = getattr(command, "commands", {})
    return [found for name, each in below.items() for found in leaves(each, f"{path} {name}")] or [(path, command)]


@pytest.mark.parametrize(("path", "command"), leaves(COMMANDS), ids=[path for path, _ in leaves(COMMANDS)])
def test_every_command_has_help_with_an_example(path: str, command: Any) -> None:
    """A user who asks for help sees what the command does, each option explained, and an example to copy."""
    assert command.help
    assert f"Example:  {path}" in command.help or f'"$({path}' in command.help
    for parameter in command.params:
        assert parameter.help, parameter.name


def test_the_version_is_the_packages() -> None:
    """``--version`` tells the version of the package."""
    assert bentopack("--version", cwd=Path.cwd()).stdout == f"bentopack {package.__version__}\n"


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    """``--help`` pays for typer alone: what a command needs is imported when it runs."""
    code = (
        "import sys\n"
        "sys.argv = ['bentopack', '--help']\n"
        "from bentopack.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'pydantic', 'jinja2', 'docker', 'yaml', 'msgspec', 'uvicorn', 'starlette', 'pathspec', 'numpy'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert result.stderr == "[]\n"
