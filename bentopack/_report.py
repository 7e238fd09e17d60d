"""How the core tells of its progress: it reports, and only the command line prints."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Receives what the core has to tell. The command line styles it; tests record it."""

    def step(self, message: str) -> None:
        """A new step of long work has begun, such as ``resolving 3 requirements``."""

    def output(self, line: str) -> None:
        """One line that a tool underneath printed (a resolver, an engine)."""

    def warn(self, message: str) -> None:
        """Something the user should know, that does not stop the work."""


class Silent:
    """The reporter of callers who do not want to be told."""

    def step(self, message: str) -> None:
        pass

    def output(self, line: str) -> None:
        pass

    def warn(self, message: str) -> None:
        pass
