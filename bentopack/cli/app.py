"""Puts the commands together, and turns errors into messages and exit codes."""

from __future__ import annotations

import sys

import typer

from bentopack.cli.containerize import containerize
from bentopack.cli.run import run as run_command

app = typer.Typer(
    name="bentopack",
    help="Pack ML services into reproducible Bentos and container images, and serve them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def run() -> None:
    """Run the command line; every error of ours is one message and its own exit code, never a traceback."""
    from bentopack.errors import BentopackError

    try:
        app(prog_name="bentopack")
    except BentopackError as error:
        from bentopack.cli.output import Output

        Output().error(error.message, error.hint)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
