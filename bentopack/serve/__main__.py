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
    """Read the command line; ``$PORT`` is the only variable that is looked at."""
    parser = argparse.ArgumentParser(prog="python -m bentopack.serve", description="Serve a Bento directory.")
    parser.add_argument("--bento", type=Path, required=True, help="the Bento directory")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - a container's
    parser.add_argument("--port", type=int, default=None, help="default: $PORT, or 3000; 0 takes a free one")
    parser.add_argument("--workers", type=int, default=None, help="default: what the service says")
    parser.add_argument("--front-ends", type=int, default=1, help="HTTP processes")
    parser.add_argument("--timeout", type=float, default=None, help="seconds until 504; default: the service's, or 60")
    parser.add_argument("--max-body", type=int, default=64 << 20, help="bytes; more is answered 413")
    parser.add_argument("--grace", type=float, default=8.0, help="seconds to drain after SIGTERM")
    parser.add_argument("--reload", action="store_true", help="restart when the source changes")
    parser.add_argument("--access-log", action=argparse.BooleanOptionalAction, default=True, help="a line a request")
    options = vars(parser.parse_args(arguments))
    options["port"] = _port_variable() if options["port"] is None else options["port"]
    return msgspec.structs.replace(config_of_bento(options.pop("bento")), **options)


def _port_variable() -> int:
    found = os.environ.get("PORT") or "3000"
    try:
        return int(found)
    except ValueError:
        raise ServeError(f"$PORT: expected a number from 0 to 65535, found '{found}'") from None


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
