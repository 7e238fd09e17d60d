"""Runs a builder's command line: its lines are reported, and it never outlives whoever asked."""

from __future__ import annotations

import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from bentopack._report import Reporter

# Enough to find the failing step of a build whose steps run side by side.
_KEPT_LINES = 5000
# CI systems kill some seconds after they asked to stop; the scratch folder is to be gone by then.
_STOP_SECONDS = 5


def run(command: Sequence[str], environment: Mapping[str, str], reporter: Reporter) -> tuple[int, list[str]]:
    """Run a command to its end, and return its exit code and the last lines that it printed."""
    log: deque[str] = deque(maxlen=_KEPT_LINES)
    with _started(command, environment) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            log.append(line.rstrip())
            reporter.output(log[-1])
    return process.returncode, list(log)


@contextmanager
def _started(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run the client, and end it whatever happens here: neither Ctrl-C nor SIGTERM may leave a build behind."""
    process = subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        yield process
        process.wait()
    finally:
        if process.poll() is None:
            end_client(process)
        if process.stdout is not None:
            process.stdout.close()


def end_client(process: subprocess.Popen[str]) -> None:
    """Ask as a terminal would, so that the client cancels its build in the engine; then insist."""
    try:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    finally:
        # Also where a second Ctrl-C interrupts the waiting.
        if process.poll() is None:
            process.kill()
            process.wait()
