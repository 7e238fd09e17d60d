"""What a lock remembers of the packages that were built here, and what of it holds no more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from bentopack.errors import LockError
from bentopack.lock import LOCK_NAME
from bentopack.lock.lockfile import Lock, how_to_repair
from bentopack.lock.requirements import BUILT
from bentopack.lock.resolver import BuiltPin

_TOOL = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*==[A-Za-z0-9.!+_-]+")


def pins_in(lock: Lock) -> dict[str, BuiltPin]:
    """Return what was built for a lock, by the requirement.

    Raises:
        LockError: it is not of its form. The build tools are installed as they stand there.
    """
    again = how_to_repair(LOCK_NAME)
    try:
        pins = msgspec.convert(lock.inputs.get(BUILT) or {}, dict[str, BuiltPin])
    except msgspec.ValidationError as error:
        raise LockError(f"{LOCK_NAME}: '{BUILT}' is not valid: {error}", hint=again) from None
    for line, pin in pins.items():
        if not all(_TOOL.fullmatch(tool) for tool in pin.tools):
            raise LockError(f"{LOCK_NAME}: the build tools of {line} are not valid", hint=again)
    return pins


def changed_pins(old: Mapping[str, BuiltPin], new: Mapping[str, BuiltPin]) -> Iterator[str]:
    """Say of each package that is built here in what it differs from the one that is locked."""
    for line in sorted(old.keys() | new.keys()):
        before, now = old.get(line), new.get(line)
        if before is None or now is None:
            yield f"{BUILT}: {line} {'is new' if now else 'is gone'}"
        elif before != now:
            yield f"{BUILT}: {_difference(line, before, now)}"


def _difference(line: str, before: BuiltPin, now: BuiltPin) -> str:
    if before.source != now.source:
        return f"{line} is {now.source}, locked was {before.source}"
    if before.tools != now.tools:
        return f"{line} is built with {', '.join(now.tools)}, locked was {', '.join(before.tools)}"
    return (
        f"the wheel {now.wheel} that this machine builds of {line} has other bytes than the locked {before.wheel}, "
        "although source and build tools are the same; build it once, and list it under python.wheels instead"
    )
