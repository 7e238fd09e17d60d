"""What the user sees: results on standard output, everything else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bentopack.cli.options import Progress

if TYPE_CHECKING:
    from rich.status import Status


class Output:
    """A reporter for people and for CI.

    Args:
        verbose: whether every line of a tool is told, on a terminal or not.
        progress: how it is told; by itself, as fits what standard error is.

    On a terminal the current step turns beside a spinner and a tool's own lines scroll above it; elsewhere only
    warnings are written, unless ``verbose`` asks for all. Standard output carries results alone, so that it can be
    piped.
    """

    def __init__(self, *, verbose: bool = False, progress: Progress = Progress.auto) -> None:
        self._terminal = sys.stderr.isatty() if progress is Progress.auto else progress is Progress.tty
        self._verbose = verbose or self._terminal or progress in (Progress.plain, Progress.json)
        self._silent = progress is Progress.quiet
        self._as_json = progress is Progress.json
        self._status: Status | None = None

    @contextmanager
    def working(self) -> Iterator[Output]:
        """Show steps while the block runs."""
        if not self._terminal:
            yield self
            return
        from rich.console import Console

        with Console(stderr=True).status("starting") as status:
            self._status = status
            try:
                yield self
            finally:
                self._status = None

    def step(self, message: str) -> None:
        if self._status is not None:
            from rich.markup import escape

            self._status.update(escape(message))
        elif self._verbose:
            self._line(message, kind="step")

    def output(self, line: str) -> None:
        if self._verbose:
            self._line(line if self._as_json else f"  {line}", kind="output")

    def note(self, message: str) -> None:
        """Write what was asked for beside the result."""
        self._line(message, kind="note")

    def warn(self, message: str) -> None:
        self._line(message if self._as_json else f"warning: {message}", kind="warning", style="yellow")

    def error(self, message: str, hint: str | None = None) -> None:
        self._line(f"error: {message}", style="bold red")
        if hint:
            self._line(hint)

    def result(self, text: str) -> None:
        """Write one line of the result to standard output, whole and without markup."""
        sys.stdout.write(f"{text}\n")

    def json(self, value: Any) -> None:
        """Write the result as JSON to standard output."""
        import json

        self.result(json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def table(self, header: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, empty: str) -> None:
        """Write rows in aligned columns to standard output, or say on standard error that there are none."""
        if not rows:
            self._line(empty)
            return
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        for row in (header, *rows):
            self.result("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def _line(self, text: str, *, kind: str = "error", style: str | None = None) -> None:
        if self._silent and kind != "error":
            return
        if self._as_json:
            import json

            text = json.dumps({kind: text}, ensure_ascii=False)
        if not self._terminal:
            sys.stderr.write(f"{text}\n")
            return
        from rich.console import Console

        console = self._status.console if self._status is not None else Console(stderr=True)
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def size(count: int) -> str:
    """Write a number of bytes for people, in powers of 1024."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def age(moment: datetime | None) -> str:
    """Write a moment in the local time zone, to the minute."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M") if moment and moment.timestamp() else "unknown"
