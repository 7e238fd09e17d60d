"""Reads what a failed build printed, and finds the step that failed and its last lines.

BuildKit (``--progress=plain``) numbers its steps and prefixes every line, as steps run side by side::

    #9 [builder 5/7] RUN pip install …
    #9 1.203 ERROR: no matching distribution
    #9 ERROR: process "/bin/sh -c …" did not complete successfully: exit code: 1

The classic builder prints ``Step 5/12 : RUN …`` and then that step's lines as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TAIL = 20
_BUILDKIT_LINE = re.compile(r"#(\d+) (?:\d+\.\d+ )?(.*)")
_CLASSIC_STEP = re.compile(r"Step \d+/\d+ : (.*)")


@dataclass(frozen=True)
class Failure:
    """The step that failed, where it is known, and its last lines."""

    step: str | None
    lines: tuple[str, ...]


def find_failure(log: Sequence[str]) -> Failure:
    """Find the failing step in the lines of a build."""
    for line in reversed(log):
        match = _BUILDKIT_LINE.fullmatch(line)
        if match and match[2].startswith("ERROR: "):
            return _buildkit(log, match[1])
    return _classic(log)


def _buildkit(log: Sequence[str], number: str) -> Failure:
    matches = [match for line in log if (match := _BUILDKIT_LINE.fullmatch(line)) and match[1] == number]
    step = next((match[2] for match in matches if match[2].startswith("[")), None)
    said = [match[2] for match in matches if match[2] and match[2] != step]
    return Failure(step, tuple(said[-_TAIL:]))


def _classic(log: Sequence[str]) -> Failure:
    for index in range(len(log) - 1, -1, -1):
        match = _CLASSIC_STEP.fullmatch(log[index])
        if match:
            said = [line for line in log[index + 1 :] if line.strip()]
            return Failure(match[1], tuple(said[-_TAIL:]))
    return Failure(None, tuple(line for line in log if line.strip())[-_TAIL:])
