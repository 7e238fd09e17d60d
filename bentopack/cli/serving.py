"""What ``run`` and ``serve`` share: an option for each setting, and the ways to serve."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bentopack.serve.settings import SETTINGS, given

if TYPE_CHECKING:
    from bentopack.cli.output import Output
    from bentopack.cli.target import ServePlan
    from bentopack.serve.config import ServeConfig

_SHORT = {"port": ("-p",)}


class Environment(str, Enum):
    """Which packages the service runs with."""

    current = "current"
    locked = "locked"


TargetArgument = Annotated[
    str | None,
    typer.Argument(metavar="TARGET", help="A tag, a folder, or MODULE:CLASS; the project in this folder if left out."),
]
EnvironmentOption = Annotated[
    Environment | None,
    typer.Option(
        "--env",
        metavar="current|locked",
        help="Run with the packages installed here, or with the Bento's locked ones (its default).",
    ),
]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each setting; it gets those that the command line has, as ``settings``."""

    def called(**arguments: Any) -> None:
        settings = {each.name: arguments.pop(each.name) for each in SETTINGS}
        command(**arguments, settings={name: value for name, value in settings.items() if value is not None})

    signature = inspect.signature(command, eval_str=True)
    own = [each for each in signature.parameters.values() if each.name != "settings"]
    options = [_parameter(each.name, each.kind, each.spelling, each.meaning, each.default) for each in SETTINGS]
    every = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *options]
    # typer reads a function's signature and its annotations.
    called.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in every}
    called.__doc__ = command.__doc__
    return called


def _parameter(name: str, kind: type, spelling: str, meaning: str, default: str) -> inspect.Parameter:
    text = f"{meaning[0].upper()}{meaning[1:]}. Default: {default}."
    option = typer.Option(spelling, *_SHORT.get(name, ()), help=text, show_default=False)
    annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def serve_target(target: str | None, env: Environment | None, settings: Mapping[str, Any], *, host: str) -> None:
    """Serve what a target names, until a signal ends it.

    Args:
        settings: those that the command line has; the environment may give others.
        host: where neither says which.
    """
    import os

    import msgspec

    from bentopack.cli.output import Output
    from bentopack.cli.target import resolve_serve
    from bentopack.serve.settings import check

    chosen = {"host": host, **given(settings, os.environ)}
    out = Output()
    with out.working() as reporter:
        plan = resolve_serve(target, reporter=reporter)
    config = msgspec.structs.replace(plan.config, **chosen)
    check(config)
    if _locked(plan, env):
        _serve_locked(plan, chosen, out)
    else:
        _serve_here(config, out)


def _locked(plan: ServePlan, env: Environment | None) -> bool:
    if env is Environment.locked and plan.bento is None:
        from bentopack.errors import ServeError

        raise ServeError(
            "a project has no locked environment of its own", hint="build it, and run the tag: bentopack build"
        )
    return plan.bento is not None and env is not Environment.current


def _serve_here(config: ServeConfig, out: Output) -> None:
    from bentopack.serve import logs
    from bentopack.serve.supervisor import serve

    logs.configure("supervisor")
    serve(config, on_ready=out.result)


def _serve_locked(plan: ServePlan, settings: Mapping[str, Any], out: Output) -> None:
    """Become the runtime of the Bento's own environment, so that signals and the exit code are its own."""
    import os

    from bentopack.bento.environment import locked_python

    bento = Path(str(plan.bento)).resolve()
    with out.working() as reporter:
        python = str(locked_python(bento, reporter=reporter))
    os.chdir(bento)  # `-m` looks in the working folder first, which must not offer another bentopack
    command = [python, "-m", "bentopack", "serve", str(bento), *typed(settings)]
    if os.name == "nt":  # there execv ends this process before the other has begun
        import subprocess
        import sys

        sys.exit(subprocess.run(command, check=False).returncode)
    os.execv(python, command)  # noqa: S606 - an argument list, no shell


def typed(settings: Mapping[str, Any]) -> list[str]:
    """The options of a command line that says the same."""
    options = []
    for each in SETTINGS:
        if each.name in settings:
            value = settings[each.name]
            on, off = each.option, f"--no-{each.option[2:]}"
            options += [on if value else off] if each.kind is bool else [f"{on}={value}"]
    return options
