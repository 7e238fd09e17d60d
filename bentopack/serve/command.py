"""``bentopack serve BENTO`` where the runtime stands alone: the entrypoint of images, and of Bentos' environments.

It has the same settings as the command of the whole bentopack, and needs nothing but what a Bento carries.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bentopack.errors import BentopackError
from bentopack.serve import logs
from bentopack.serve.config import ServeConfig, config_of_bento
from bentopack.serve.settings import SETTINGS, Setting, given
from bentopack.serve.supervisor import serve


def parse(arguments: Sequence[str]) -> ServeConfig:
    """Read the command line, and for what it leaves out the environment: ``--max-body`` is ``$BENTOPACK_MAX_BODY``.

    Raises:
        ServeError: a variable's value cannot be.
    """
    parser = argparse.ArgumentParser(
        prog="bentopack",
        description="The serving runtime of a Bento. To build Bentos, install bentopack.",
    )
    command = parser.add_subparsers(metavar="serve", required=True).add_parser(
        "serve",
        description="Serve a Bento directory.",
        epilog="Each option may be given by the environment: --max-body as BENTOPACK_MAX_BODY.",
    )
    command.add_argument("bento", type=Path, nargs="?", default=Path(), help="the Bento directory; this one by default")
    for each in SETTINGS:
        _add(command, each)
    options = vars(parser.parse_args(arguments))
    settings = {"host": "0.0.0.0", **given(options, os.environ)}  # noqa: S104 - a container's
    return msgspec.structs.replace(config_of_bento(options["bento"]), **settings)


def _add(command: argparse.ArgumentParser, setting: Setting) -> None:
    text = f"{setting.meaning}; default: {setting.default}"
    if setting.kind is bool:
        command.add_argument(setting.option, action=argparse.BooleanOptionalAction, default=None, help=text)
    else:
        command.add_argument(setting.option, type=setting.kind, help=text)


def main() -> None:
    """Serve until SIGTERM; an error of ours is one message and its exit code."""
    logs.configure("supervisor")
    try:
        serve(parse(sys.argv[1:]), on_ready=lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    except BentopackError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # before there was anything to drain
        sys.exit(130)
