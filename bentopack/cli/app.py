"""Puts the commands together, and turns errors into messages and exit codes."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, NoReturn

import typer

_COMMANDS = {
    "build": "build:build",
    "lock": "lock:lock",
    "plan": "plan:plan",
    "containerize": "containerize:containerize",
    "run": "run:run",
    "serve": "serve:serve",
    "list": "list:list_",
    "get": "get:get",
    "delete": "delete:delete",
    "export": "export:export",
    "import": "import_:import_",
    "push": "push:push",
    "pull": "pull:pull",
    "inspect": "inspect:inspect",
    "verify": "verify:verify",
    "diff": "diff:diff",
    "models": "models:models",
}
"""The commands in the order of the help; of each its file and what it is called there."""


def make_app(wanted: str | None = None) -> typer.Typer:
    """Put the commands together; only the one that is wanted, where it is one: the others need not be imported."""
    app = typer.Typer(
        name="bentopack",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(main)
    for name in [wanted] if wanted in _COMMANDS else _COMMANDS:
        module, _, called = _COMMANDS[name].partition(":")
        command = getattr(import_module(f"bentopack.cli.{module}"), called)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from bentopack import __version__

        sys.stdout.write(f"bentopack {__version__}\n")
        raise typer.Exit


def main(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Pack ML services into reproducible Bentos and container images, and serve them.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad bentofile or service, 4 not found, 5 requirements cannot be
    locked, 6 no container engine, 7 image build failed, 8 cannot serve, 9 damaged content, 10 a registry refused, 130
    interrupted.
    """


def run_app() -> None:
    """Run the command line; every error of ours is one message and its own exit code, never a traceback."""
    import signal

    from bentopack.errors import BentopackError

    signal.signal(signal.SIGTERM, _terminate)
    try:
        make_app(next(iter(sys.argv[1:]), None))(prog_name="bentopack")
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(130)
    except Exception as error:
        if (code := _interrupted(error)) is not None:
            _say_interrupted()
            sys.exit(code)
        if isinstance(error, BentopackError):
            _fail(error.message, error.hint, error.exit_code)
        if isinstance(error, OSError):
            # Disk full, a read-only store: the file system's own words say it best.
            where = f": {error.filename}" if error.filename else ""
            _fail(f"{error.strerror or error}{where}", None, 1)
        raise


class _Terminated(SystemExit):
    """SIGTERM, as an exception: what a cancelled CI job leaves behind is cleaned up as after Ctrl-C."""


def _terminate(*_: object) -> NoReturn:
    raise _Terminated(143)


def _interrupted(error: BaseException) -> int | None:
    """The exit code of a signal that ``error`` only followed: an archive cut in the middle, say, refuses to close."""
    cause = error.__context__
    while cause is not None:
        if isinstance(cause, KeyboardInterrupt):
            return 130
        if isinstance(cause, _Terminated):
            return 143
        cause = cause.__context__
    return None


def _say_interrupted() -> None:
    from bentopack.cli.output import Output

    Output().warn("interrupted")


def _fail(message: str, hint: str | None, code: int) -> NoReturn:
    from bentopack.cli.output import Output

    Output().error(message, hint)
    sys.exit(code)
