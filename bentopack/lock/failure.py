"""Tells why a resolution failed: what became of an index comes first, and the resolver's own words follow whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bentopack.errors import LockError
from bentopack.lock.credentials import references
from bentopack.lock.process import explain

_ADDRESS = re.compile(
    r"Failed to fetch: `?(\S+?)`?$|Could not fetch URL (\S+): |An index (?:URL )?\((\S+)\)|\bUser for (\S+):"
)
_PACKAGE = re.compile(r"(.+/)([a-z0-9]+(?:-[a-z0-9]+)*)/$")
_CREDENTIALS = (
    "give them by netrc, by a keyring (PIP_KEYRING_PROVIDER=subprocess, and the user's name in the address), by "
    "PIP_INDEX_URL, or as ${USER}:${PASSWORD}@ in python.index_url"
)
_NETWORK = "look at python.index_url and the network; HTTPS_PROXY names a proxy"
# What a resolver says of an index, what that means, and what to do.
_TROUBLES = (
    (
        r"timed? ?out\b|didn't respond within|deadline has elapsed",  # the last: nobody takes the connection
        "an index did not answer in time",
        f"{_NETWORK}, and UV_HTTP_TIMEOUT or PIP_DEFAULT_TIMEOUT (seconds) waits longer",
    ),
    (r"certificate", "the certificate of an index is not trusted", "PIP_CERT names a file of certificates"),
    (r"\b(401|407|403)\b|credentials|User for ", "an index refuses, or asks who is there", _CREDENTIALS),
    (r"\b5\d\d\b", "an index fails", "try again later, or name another index under python.index_url"),
    (r"", "an index cannot be reached", _NETWORK),
)


def unresolved(said: Sequence[str], sources: Iterable[str], environment: Mapping[str, str]) -> LockError:
    """Make the error of what a resolver said.

    Args:
        sources: the lines that name its indexes.
        environment: where their variables were looked up.
    """
    explained = explain(list(said))
    unset = sorted(name for name in references(sources) if not environment.get(name))
    trouble = next(_troubles(said), None)
    if trouble is None:
        return LockError(f"the requirements cannot be resolved:\n{explained}", hint=_to_correct(said))
    what, hint = trouble
    if unset:
        hint = f"the environment has no {', '.join(unset)}, which the address of an index refers to; set it"
    return LockError(f"the requirements cannot be resolved: {what}\n{explained}", hint=hint)


def _to_correct(said: Sequence[str]) -> str:
    option = next((line.strip() for line in said if re.match(r"\s*no such option: |.* option requires ", line)), None)
    where = "python.pip_args" if option else "python.packages or the requirements file"
    return f"correct {where}; nothing was written"


def _troubles(said: Sequence[str]) -> Iterator[tuple[str, str]]:
    for at, line in enumerate(said):
        if found := _ADDRESS.search(line):
            address = next(filter(None, found.groups()))
            about = " ".join([line, *said[at + 1 :]] if "Failed to fetch" in line else [line])
            # The number of a port, or a package's name, is no status.
            about = about.replace(address, "")
            what, hint = next((what, hint) for pattern, what, hint in _TROUBLES if re.search(pattern, about, re.I))
            yield f"{what}: {_named(address)}", hint


def _named(address: str) -> str:
    found = _PACKAGE.fullmatch(address)
    return f"{found[1].rstrip('/')} (asked for '{found[2]}')" if found else address
