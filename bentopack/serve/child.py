"""The beginning of every process that the supervisor starts, and what it reports back."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator

import msgspec

from bentopack.errors import ServeError
from bentopack.serve import forks, lifeline, logs
from bentopack.serve.config import ServeConfig

_LONGEST_MESSAGE = 20_000


class ChildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is told, as JSON in its only argument. ``listener``, ``lifeline`` and ``status`` are descriptors."""

    role: str
    """What its log lines are marked with, such as ``worker 0``."""
    config: ServeConfig
    runtime: str
    """The private folder of this running service: Unix sockets and metrics."""
    listener: int
    lifeline: int
    status: int


class Started(msgspec.Struct, frozen=True, tag=True):
    """The child is ready. A worker tells what it serves; elsewhere the fields keep their defaults."""

    apis: int = 0
    workers: int = 1


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The child cannot serve, and why."""

    message: str
    hint: str | None = None


class Tired(msgspec.Struct, frozen=True, tag=True):
    """The child serves, and asks for a successor."""


Status = Started | Failed


def begin() -> ChildSettings:
    """Read the settings, and tie this process to the supervisor."""
    settings = msgspec.json.decode(sys.argv[1], type=ChildSettings)
    for descriptor in (settings.listener, settings.lifeline, settings.status):
        os.set_inheritable(descriptor, False)  # a process that the service starts has no business with them
    _more_descriptors()
    lifeline.die_with(settings.lifeline, private=settings.runtime)
    forks.guard(settings.listener, settings.lifeline, settings.status)
    # Whoever signals every process of a service sends SIGINT here too; the supervisor alone acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure(settings.role, access=settings.config.access_log)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what a service prints is seen when it is printed
    return settings


def _more_descriptors() -> None:
    """Take as many descriptors as this user may have: a connection is one, and 1024 are a common beginning."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def import_from_source(config: ServeConfig) -> None:
    """Let the user's code be imported, and bind the models that it declares."""
    from bentopack import models

    if sys.path[:1] != [config.source]:
        sys.path.insert(0, config.source)
    # Without any model too: nothing but what was declared is served, whatever this machine's store holds.
    models.bind(config.models)


def report(settings: ChildSettings, status: Status | Tired) -> None:
    """Tell the supervisor how it goes."""
    with contextlib.suppress(BrokenPipeError):  # it has gone, and the lifeline ends us too
        os.write(settings.status, msgspec.json.encode(status) + b"\n")


@contextlib.contextmanager
def reporting(settings: ChildSettings) -> Iterator[None]:
    """Where this process cannot serve, tell the supervisor why, and end."""
    try:
        yield
    except ServeError as error:
        report(settings, Failed(_shortened(error.message), error.hint and _shortened(error.hint)))
        sys.exit(error.exit_code)


def _shortened(message: str) -> str:
    if len(message) > _LONGEST_MESSAGE:  # a traceback says most at its two ends
        message = f"{message[: _LONGEST_MESSAGE // 2]}\n…\n{message[-_LONGEST_MESSAGE // 2 :]}"
    return message.encode(errors="replace").decode()


def worker_socket(runtime: str, index: int) -> str:
    """Return the path of a worker's Unix socket."""
    return os.path.join(runtime, f"worker-{index}.sock")  # noqa: PTH118 - a plain string for the socket calls
