"""``python -m bentopack.serve --bento DIR``: the entrypoint of images, and of Bentos in their own environment."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bentopack.errors import BentopackError, ServeError
from bentopack.serve import logs
from bentopack.serve.config import ServeConfig, config_of_bento
from bentopack.serve.supervisor import serve


def parse(arguments: Sequence[str] | None = None) -> ServeConfig:
    """Read the command line, and for what it leaves out the environment: ``--max-body`` is ``$BENTOPACK_MAX_BODY``.

    Raises:
        ServeError: a variable's value cannot be.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bentopack.serve",
        description="Serve a Bento directory.",
        epilog="Each option can be given by the environment too: --max-body is $BENTOPACK_MAX_BODY.",
    )
    parser.add_argument("--bento", type=Path, required=True, help="the Bento directory")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - a container's
    parser.add_argument("--port", type=int, default=3000, help="default: $PORT, or 3000; 0 takes a free one")
    parser.add_argument("--workers", type=int, default=None, help="default: what the service says")
    parser.add_argument("--front-ends", type=int, default=1, help="HTTP processes")
    parser.add_argument("--timeout", type=float, default=None, help="seconds until 504; default: the service's, or 60")
    parser.add_argument("--watchdog", type=float, default=None, help="seconds one call may take; default: 2 * timeout")
    parser.add_argument("--max-requests", type=int, default=None, help="replace a worker after so many; default: never")
    parser.add_argument("--max-body", type=int, default=64 << 20, help="bytes; more is answered 413")
    parser.add_argument("--grace", type=float, default=8.0, help="seconds to drain after SIGTERM")
    parser.add_argument("--reload", action="store_true", help="restart when the source changes")
    parser.add_argument("--access-log", action=argparse.BooleanOptionalAction, default=True, help="a line a request")
    actions = [each for each in parser._actions if each.dest not in ("help", "bento")]
    defaults = {each.dest: each.default for each in actions}
    for action in actions:
        action.default = argparse.SUPPRESS  # what is not given is looked for in the environment first
    options = vars(parser.parse_args(arguments))
    config = config_of_bento(options.pop("bento"))
    told = {each.dest: _told(each) for each in actions if each.dest not in options}
    found = {name: value for name, value in told.items() if value is not None}
    return msgspec.structs.replace(config, **{**defaults, **found, **options})


def _told(action: argparse.Action) -> object:
    """What the environment says that an option is; None where it says nothing."""
    names = [f"BENTOPACK_{action.dest.upper()}", *(["PORT"] if action.dest == "port" else [])]
    # Kubernetes sets $BENTOPACK_PORT=tcp://… beside a service of that name.
    name = next((name for name in names if os.environ.get(name) and "://" not in os.environ[name]), None)
    if name is None:
        return None
    text = os.environ[name]
    try:
        return _flag(text) if action.nargs == 0 else action.type(text) if callable(action.type) else text
    except (ValueError, KeyError):
        expected = {int: "a whole number", float: "a number"}.get(action.type, "true or false")  # type: ignore[call-overload]
        raise ServeError(f"${name}: expected {expected}, found '{text}'") from None


def _flag(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]


def main() -> None:
    """Serve until SIGTERM; an error of ours is one message and its exit code."""
    logs.configure("supervisor")
    try:
        serve(parse(), on_ready=lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    except BentopackError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # before there was anything to drain
        sys.exit(130)


if __name__ == "__main__":
    main()
