"""What a machine says of its indexes by the environment: one setting for pip or for uv is enough for both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote

from bentopack.lock.credentials import without_credentials
from bentopack.lock.resolver import Indexes

# Where pip is told of an index by the environment, and uv would look for it under another name.
_LIKE_PIP = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_DEFAULT_TIMEOUT": "UV_HTTP_TIMEOUT",
    "PIP_RETRIES": "UV_HTTP_RETRIES",
}
# uv's names before it had those, which it still reads.
_OLDER = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
# uv's own 30 seconds and 3 retries are two minutes before anybody learns that an index hangs.
_LIMITS = {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "2"}


def as_uv_reads(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which uv looks where pip would, for what uv itself was told nothing of."""
    found = {
        uvs: environment[pips]
        for pips, uvs in _LIKE_PIP.items()
        if environment.get(pips) and not environment.get(uvs) and not environment.get(_OLDER.get(uvs, ""))
    }
    # uv knows the command alone; pip's other way is to import what brings the command along.
    if environment.get("PIP_KEYRING_PROVIDER") in {"subprocess", "import"} and "UV_KEYRING_PROVIDER" not in environment:
        found["UV_KEYRING_PROVIDER"] = "subprocess"
    return found


def with_limits(environment: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """Add to what uv is told how long it waits for an index, where nobody said that."""
    said = {**environment, **more}
    return {**{name: value for name, value in _LIMITS.items() if not said.get(name)}, **more}


def as_pip_reads(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which pip looks where uv would, for what pip itself was told nothing of."""
    found = {
        pips: " ".join(_addresses(uvs, environment))
        for pips, uvs in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_EXTRA_INDEX_URL", "UV_INDEX"))
        if not environment.get(pips)
    }
    if environment.get("UV_KEYRING_PROVIDER") == "subprocess" and not environment.get("PIP_KEYRING_PROVIDER"):
        found["PIP_KEYRING_PROVIDER"] = "subprocess"
    return {name: value for name, value in found.items() if value}


def authorised(indexes: Indexes, environment: Mapping[str, str]) -> Indexes:
    """Return the indexes with the credentials that the environment has for the same addresses."""
    known = _known(environment)

    def known_or(url: str) -> str:
        return known.get(_bare(url), url) if _bare(url) == url.rstrip("/") else url

    return replace(
        indexes,
        index_url=known_or(indexes.index_url) if indexes.index_url else None,
        extra_index_url=tuple(map(known_or, indexes.extra_index_url)),
    )


def authorised_lines(text: str, environment: Mapping[str, str]) -> str:
    """Return a requirements file with those credentials in the lines that name indexes."""
    known = _known(environment)
    return re.sub(
        r"^(--(?:extra-)?index-url )(\S+)$",
        lambda match: match[1] + known.get(_bare(match[2]), match[2]),
        text,
        flags=re.MULTILINE,
    )


def _known(environment: Mapping[str, str]) -> dict[str, str]:
    """The addresses of the environment that have credentials, by what they are without."""
    told = [*environment.get("PIP_INDEX_URL", "").split(), *environment.get("PIP_EXTRA_INDEX_URL", "").split()]
    told += [*_addresses("UV_DEFAULT_INDEX", environment), *_addresses("UV_INDEX", environment)]
    return {_bare(url): url for url in told if without_credentials(url) != url}


def _addresses(name: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the addresses that one of uv's variables holds, with the credentials that it keeps beside."""
    for each in (environment.get(name) or environment.get(_OLDER[name]) or "").split():
        named = re.fullmatch(r"([A-Za-z0-9._-]+)=(\S+)", each)
        if named is None:
            yield each
            continue
        prefix = "UV_INDEX_" + re.sub("[^A-Z0-9]", "_", named[1].upper())
        user, password = (quote(environment.get(f"{prefix}_{part}", ""), safe="") for part in ("USERNAME", "PASSWORD"))
        yield re.sub("(?<=://)", f"{user}:{password}@", named[2], count=1) if user or password else named[2]


def _bare(url: str) -> str:
    return without_credentials(url).rstrip("/")
