"""``bentopack run``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bentopack.cli.output import Output
    from bentopack.cli.target import ServePlan
    from bentopack.serve.config import ServeConfig


class Environment(str, Enum):
    """Which packages the service runs with."""

    current = "current"
    locked = "locked"


def run(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET", help="A tag, a folder, or MODULE:CLASS; the project in this folder if left out."
        ),
    ] = None,
    *,
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes any free port.")] = 3000,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all of them.")] = "127.0.0.1",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; what the service says if left out.")
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Restart when a source file changes.")] = False,
    env: Annotated[
        Environment | None,
        typer.Option(
            metavar="current|locked",
            help="Run with the packages installed here, or with the Bento's locked ones (its default).",
        ),
    ] = None,
    access_log: Annotated[bool, typer.Option("--access-log/--no-access-log", help="Log one line a request.")] = True,
) -> None:
    """Serve a project or a Bento on this machine.

    The runtime is the same as in its image. A project runs with the packages that are installed here. A Bento runs in
    an environment of its own, made from its lock at the first run and kept. Ctrl-C answers what has been accepted and
    exits with 0.

    Example:  bentopack run iris:latest --port 8080
    """
    import msgspec

    from bentopack.cli.output import Output
    from bentopack.cli.target import resolve_serve

    out = Output()
    with out.working() as reporter:
        plan = resolve_serve(target, reporter=reporter)
    config = msgspec.structs.replace(
        plan.config, host=host, port=port, workers=workers, reload=reload, access_log=access_log
    )
    if _locked(plan, env):
        _run_locked(plan, config, out)
    else:
        _run_here(config, out)


def _locked(plan: ServePlan, env: Environment | None) -> bool:
    if env is Environment.locked and plan.bento is None:
        from bentopack.errors import ServeError

        raise ServeError(
            "a project has no locked environment of its own", hint="build it, and run the tag: bentopack build"
        )
    return plan.bento is not None and env is not Environment.current


def _run_here(config: ServeConfig, out: Output) -> None:
    from bentopack.serve import logs
    from bentopack.serve.supervisor import serve

    logs.configure("supervisor")
    serve(config, on_ready=out.result)


def _run_locked(plan: ServePlan, config: ServeConfig, out: Output) -> None:
    """Become the runtime of the Bento's own environment, so that signals and the exit code are its own."""
    import os

    from bentopack.bento.environment import locked_python

    bento = Path(str(plan.bento)).resolve()
    with out.working() as reporter:
        python = str(locked_python(bento, reporter=reporter))
    command = [
        python,
        "-m",
        "bentopack.serve",
        "--bento",
        str(bento),
        "--host",
        config.host,
        "--port",
        str(config.port),
    ]
    command += ["--workers", str(config.workers)] if config.workers else []
    command += ["--reload"] if config.reload else []
    command += [] if config.access_log else ["--no-access-log"]
    os.chdir(bento)  # `-m` looks in the working folder first, which must not offer another bentopack
    os.execv(python, command)  # noqa: S606 - an argument list, no shell
