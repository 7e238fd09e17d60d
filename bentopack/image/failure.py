"""Reads what a failed build printed, and finds the step that failed and its last lines.

BuildKit (``--progress=plain``) numbers its steps and prefixes every line, as steps run side by side::

    #9 [builder 5/7] RUN pip install …
    #9 1.203 ERROR: no matching distribution
    #9 ERROR: process "/bin/sh -c …" did not complete successfully: exit code: 1

The classic builder prints ``Step 5/12 : RUN …`` and then that step's lines as they are; buildah and podman print
``[2/3] STEP 5/12: RUN …``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bentopack.errors import ImageBuildError

_TAIL = 20
_STEP_LENGTH = 160
_BUILDKIT_LINE = re.compile(r"#(\d+) (?:\d+\.\d+(?: |$))?(.*)")
_CLASSIC_STEP = re.compile(r"(?:\[\d+/\d+\] )?(?:Step|STEP) \d+/\d+ ?: (.*)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Lines of the builder itself: digests, container ids, and the whole instruction said again.
_CHATTER = re.compile(
    r"sha256:[0-9a-f]{64}( .*)?| ---> .*|ERROR: (executor failed running \[|process \").*|The command '.*' returned .*"
)


@dataclass(frozen=True)
class Failure:
    """The step that failed, where it is known, and its last lines."""

    step: str | None
    lines: tuple[str, ...]


def find_failure(log: Sequence[str]) -> Failure:
    """Find the failing step in the lines of a build."""
    log = [_COLOUR.sub("", line).rstrip() for line in log]
    for line in reversed(log):
        match = _BUILDKIT_LINE.fullmatch(line)
        if match and match[2].startswith("ERROR: "):
            return _buildkit(log, match[1])
    return _classic(log)


def _buildkit(log: Sequence[str], number: str) -> Failure:
    matches = [match for line in log if (match := _BUILDKIT_LINE.fullmatch(line)) and match[1] == number]
    step = next((match[2] for match in matches if match[2].startswith("[")), None)
    return _failure(step, [match[2] for match in matches if match[2] != step])


def _classic(log: Sequence[str]) -> Failure:
    for index in range(len(log) - 1, -1, -1):
        if match := _CLASSIC_STEP.fullmatch(log[index]):
            return _failure(match[1], log[index + 1 :])
    return _failure(None, log)


def _failure(step: str | None, lines: Sequence[str]) -> Failure:
    said = [line for line in lines if line]
    # Where a step printed nothing else, the builder's own words are all there is.
    telling = [line for line in said if not _CHATTER.fullmatch(line)] or said
    return Failure(_shortened(step), tuple(telling[-_TAIL:]))


def _shortened(step: str | None) -> str | None:
    if step is None:
        return None
    step = " ".join(step.split())
    return step if len(step) <= _STEP_LENGTH else f"{step[: _STEP_LENGTH - 1]}…"


def build_failed(log: list[str]) -> ImageBuildError:
    """Say how a build failed, from the lines that it printed."""
    failure = find_failure(log)
    step = failure.step or ""
    message = "the image could not be built" + (f", at: {step}" if step else "")
    return ImageBuildError("\n  ".join([message, *failure.lines]), hint=_hint(step, failure.lines))


def _hint(step: str, lines: Sequence[str]) -> str:
    # The builders' words for fetching an image.
    if fetched := re.match(r"\[internal\] load metadata for (\S+)|FROM (\S+)", step):
        image = (fetched[1] or fetched[2]).removeprefix("docker.io/library/").removeprefix("docker.io/")
        asked = "is that its name, and can the engine reach it and log in there?"
        return f"{image} is pulled from its registry: {asked} --base-image names another base"
    if unknown := next((match for line in lines if (match := _NO_PACKAGE.search(line))), None):
        name = next(filter(None, unknown.groups()))
        return f"docker.system_packages: the base's distribution has no {name!r} in this release, under that name"
    return _HINT


# What apt, apk and microdnf say.
_NO_PACKAGE = re.compile(
    r"Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate|"
    r"(\S+) \(no such package\)|No package matches '(\S+)'"
)
_HINT = "`--verbose` shows every line of the build"
