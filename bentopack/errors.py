"""One small tree of errors: each carries a message, a hint on what to do next, and an exit code.

The exit codes are part of the command line's contract and are listed in ``docs/cli.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


class BentopackError(Exception):
    """The root of every error that bentopack raises on purpose.

    Args:
        message: what was found, where, and what was expected, in one or more lines.
        hint: what to do next; shown on a line of its own.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(BentopackError):
    """What was asked for on the command line cannot be."""

    exit_code = 2


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a file the user wrote.

    ``line`` and ``column`` count from 1; 0 means that the place is not known more closely.
    """

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        return f"{place}: {self.message}"


class SpecError(BentopackError):
    """The bentofile, or the code that it names, is not what it has to be. Carries every problem found."""

    exit_code = 3

    def __init__(self, problems: Iterable[Problem] | Problem, *, hint: str | None = None) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)), hint=hint)


class NotFound(BentopackError):
    """A Bento, a model or a file that was named does not exist."""

    exit_code = 4


class LockError(BentopackError):
    """The requirements cannot be resolved, or the lock cannot be used."""

    exit_code = 5


class EngineError(BentopackError):
    """No container engine answers, or it refuses this user."""

    exit_code = 6


class ImageBuildError(BentopackError):
    """The engine was reached, and the build failed inside it."""

    exit_code = 7


class RegistryError(BentopackError):
    """A registry cannot be reached, or refuses what is asked of it. ``status`` is HTTP's, where it answered."""

    exit_code = 10

    def __init__(self, message: str, *, hint: str | None = None, status: int | None = None) -> None:
        self.status = status
        super().__init__(message, hint=hint)


class ServeError(BentopackError):
    """The server cannot start: the port is taken, the service cannot be loaded."""

    exit_code = 8


class IntegrityError(BentopackError):
    """Stored or imported bytes are not what their digest says. ``problems`` names each file, where files are known."""

    exit_code = 9

    def __init__(self, message: str, *, hint: str | None = None, problems: Iterable[str] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__("\n  ".join((message, *self.problems)), hint=hint)


class StorageError(BentopackError):
    """A folder cannot be used: its disk is full, it is read-only, it is another user's, or it is no folder."""


def did_you_mean(wrong: str, candidates: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest candidate, or nothing where none is near."""
    from difflib import get_close_matches

    near = get_close_matches(wrong, list(candidates), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
