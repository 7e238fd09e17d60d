"""Puts the commands together, and turns errors into messages and exit codes."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from bentopack.cli.build import build
from bentopack.cli.containerize import containerize
from bentopack.cli.delete import delete
from bentopack.cli.diff import diff
from bentopack.cli.export import export
from bentopack.cli.get import get
from bentopack.cli.import_ import import_
from bentopack.cli.list import list_
from bentopack.cli.lock import lock
from bentopack.cli.models import models
from bentopack.cli.plan import plan
from bentopack.cli.run import run
from bentopack.cli.serve import serve
from bentopack.cli.verify import verify

app = typer.Typer(
    name="bentopack",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("build")(build)
app.command("lock")(lock)
app.command("plan")(plan)
app.command("containerize")(containerize)
app.command("run")(run)
app.command("serve")(serve)
app.command("list")(list_)
app.command("get")(get)
app.command("delete")(delete)
app.command("export")(export)
app.command("import")(import_)
app.command("verify")(verify)
app.command("diff")(diff)
app.add_typer(models, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        from bentopack import __version__

        sys.stdout.write(f"bentopack {__version__}\n")
        raise typer.Exit


@app.callback()
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
        app(prog_name="bentopack")
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
