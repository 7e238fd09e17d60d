"""The command line: one file a command, and the only place that prints or knows rich and typer."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with a documented code."""
    from bentopack.cli.app import run_app

    run_app()
