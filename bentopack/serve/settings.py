"""The settings of a running service: one table for the options of every command, the environment and the documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentopack.errors import ServeError
from bentopack.serve import tls

if TYPE_CHECKING:
    from bentopack.serve.config import ServeConfig

_COUNT = "a whole number from 1"
_SECONDS = "seconds above 0"
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_WRITTEN: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Setting:
    """One setting. ``name`` is its field of ``ServeConfig``; what it is by default is said in words."""

    name: str
    kind: type
    default: str
    meaning: str
    expected: str = ""
    fits: Callable[[Any], bool] = lambda value: True

    @property
    def option(self) -> str:
        """How it is typed."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def spelling(self) -> str:
        """How it is typed, with how it is switched off where it is a switch."""
        return f"{self.option}/--no-{self.option[2:]}" if self.kind is bool else self.option

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that give it, the one that goes before the others first."""
        return (f"BENTOPACK_{self.name.upper()}", *(["PORT"] if self.name == "port" else []))

    def told(self, environ: Mapping[str, str]) -> Any:
        """Return what the environment says that it is; None where it says nothing.

        Raises:
            ServeError: the variable's value cannot be.
        """
        for name in self.variables:
            text = environ.get(name, "")
            # Kubernetes sets $BENTOPACK_PORT=tcp://… beside a service of that name.
            if not text or (self.name == "port" and "://" in text):
                continue
            try:
                return _TRUTH[text.lower()] if self.kind is bool else self.kind(text)
            except (ValueError, KeyError):
                raise ServeError(f"${name}: expected {_WRITTEN[self.kind]}, found '{text}'") from None
        return None


def _count(value: int | None) -> bool:
    return value is None or value >= 1


def _seconds(value: float | None) -> bool:
    return value is None or 0 < value < inf


SETTINGS = (
    Setting("host", str, "0.0.0.0; `run`: 127.0.0.1", "the address to listen on"),
    Setting("port", int, "3000", "0 takes any free one", "a number from 0 to 65535", lambda value: 0 <= value <= 65535),
    Setting(
        "ssl_certfile",
        Path,
        "none, and plain HTTP",
        "serve HTTPS with the certificate in this PEM file, which others of its chain may follow",
    ),
    Setting(
        "ssl_keyfile",
        Path,
        "the file of the certificate",
        f"the PEM file of the certificate's private key; where it is encrypted, its password is `${tls.PASSWORD}`",
    ),
    Setting("workers", int, "the service's", "processes that each hold a copy of the service", _COUNT, _count),
    Setting(
        "inline",
        bool,
        "off",
        "call the service in the processes that speak HTTP, of which there are `--workers`: faster for models that "
        "answer in next to no time, but a call keeps all else waiting",
    ),
    Setting("front_ends", int, "1", "HTTP processes in front of the workers", _COUNT, _count),
    Setting("timeout", float, "the service's, or 60", "seconds until a request is answered 504", _SECONDS, _seconds),
    Setting(
        "watchdog",
        float,
        "twice the timeout",
        "seconds that a worker may be in one call; then it is taken to hang, and replaced",
        _SECONDS,
        _seconds,
    ),
    Setting(
        "max_requests",
        int,
        "no end",
        "requests after which a worker is replaced, give or take a tenth, for models whose memory grows",
        _COUNT,
        _count,
    ),
    Setting(
        "max_concurrency",
        int,
        "the service's, or no end",
        "requests that one front end has under way at once; more are answered 503",
        _COUNT,
        _count,
    ),
    Setting(
        "max_held",
        int,
        "a quarter of the memory for all front ends, or 1 GiB where that is less",
        "bytes of bodies that one front end holds, arriving, waiting or under way; more are answered 503",
        _COUNT,
        _count,
    ),
    Setting(
        "max_body",
        int,
        "67108864",
        "bytes of a body; more is answered 413",
        "a number of bytes",
        lambda value: value >= 0,
    ),
    Setting(
        "grace",
        float,
        "8",
        "seconds to finish accepted requests after SIGTERM or Ctrl-C; a second signal does not wait",
        "seconds, 0 or more",
        lambda value: 0 <= value < inf,
    ),
    Setting("access_log", bool, "on", "log one line a request"),
    Setting(
        "in_process",
        bool,
        "off; on Windows always on",
        "serve in one process, with the model on a thread, for development",
    ),
    Setting("reload", bool, "off", "restart when a source file changes, for development"),
)


def given(options: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return each setting that is given: as an option of the command line, or else by the environment.

    Paths come back absolute, as strings: the processes of a service work elsewhere.

    Raises:
        ServeError: a variable's value cannot be.
    """
    found = {each.name: _value_of(each, options, environ) for each in SETTINGS}
    return {name: value for name, value in found.items() if value is not None}


def _value_of(setting: Setting, options: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    value = options.get(setting.name)
    if value is None:
        value = setting.told(environ)
    return str(Path(value).absolute()) if setting.kind is Path and value is not None else value


def check(config: ServeConfig) -> None:
    """Refuse settings that cannot be.

    Raises:
        ServeError: naming the option.
    """
    for each in SETTINGS:
        found = getattr(config, each.name)
        if not each.fits(found):
            raise ServeError(f"{each.option}: expected {each.expected}, found {found}")
    if config.inline and config.in_process:
        raise ServeError("--inline and --in-process exclude each other", hint="--in-process is for development")
    tls.options_of(config)
