"""What pip tells its log alone: why it took no file of an index, and both sides of a conflict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

from packaging.utils import canonicalize_name

_UNFIT = re.compile(r"Skipping link: none of the wheel's tags \((.*)\) are compatible .*?: \S*/([^/#\s]+)(#\S*)?(\s|$)")
_MISSING = re.compile(r"^ERROR: Could not find a version that satisfies the requirement ([A-Za-z0-9._-]+)")
_SOURCE = re.compile(r"Skipping link: No sources permitted for \S+: \S*?([^/#\s]+)(?:[#?]\S*)?(?:\s|$)")
_CHECKED = re.compile(r"Checked \d+ links for project '([^']+)' against \d+ hashes \(0 matches, 0 no digest\)")
_LINE = re.compile(r"-r \S*requirements\.in \(line (\d+)\)")


def unfetched(log: Sequence[str]) -> list[str]:
    """Return what it says of pages that it could not have: pip itself passes over them."""
    # Of several indexes not every one has every package.
    return [line for line in log if line.startswith("Could not fetch URL ") and ": 404 Client Error" not in line]


def passed_over(log: Sequence[str]) -> list[str]:
    """Return the names of the source archives that it found where it may take wheels alone (``--only-binary``)."""
    return [match[1] for line in log if (match := _SOURCE.search(line))]


def mismatching(log: Sequence[str]) -> list[str]:
    """Return the packages of which no file that it could take has one of the hashes that it was given."""
    return [match[1] for line in log if (match := _CHECKED.search(line))]


def with_reasons(said: Sequence[str], log: Sequence[str], source: Sequence[str]) -> list[str]:
    """Add to what pip said what explains that it found nothing to install, before the traceback.

    Args:
        source: the lines of the file that pip was given; it names them by number, and nobody else sees the file.
    """
    told = [_LINE.sub(lambda match: source[int(match[1]) - 1], line) for line in said]
    at = next((at for at, line in enumerate(told) if line.startswith("Traceback")), len(told))
    return [*told[:at], *unfetched(log), *_unfit(log), *_conflict(log), *told[at:]]


def read_log(text: str) -> list[str]:
    """Take pip's log apart into lines without their times."""
    return [re.sub(r"^\d{4}-\d\d-\d\dT\S+\s*", "", line).rstrip() for line in text.splitlines()]


def _unfit(log: Sequence[str]) -> Iterator[str]:
    found = dict.fromkeys((match[2], match[1]) for line in log if (match := _UNFIT.search(line)))
    wanted = {canonicalize_name(match[1]) for line in log if (match := _MISSING.search(line))}
    for name, tags in found:
        if canonicalize_name(name.partition("-")[0]) in wanted:
            yield f"{name} is for {tags}"


def _conflict(log: Sequence[str]) -> Iterator[str]:
    for at, line in enumerate(log):
        if line.startswith("The conflict is caused by:"):
            yield from (line, *takewhile(bool, log[at + 1 :]))
