"""The requirements of a project: gathered from its bentofile, and written back hashed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import to_builtins

from bentopack.lock.credentials import without_credentials
from bentopack.lock.resolver import Indexes, LockedPackage, Request, RequirementsFile, Target, TorchIndex

BUILT = "packages built here"
"""The input by which a lock remembers what was built, and of which commit (``lock/pins.py``)."""


def inputs_of(request: Request, target: Target, runtime: str) -> dict[str, Any]:
    """Everything a resolution depends on that this project decides, by name; without credentials or paths."""
    indexes = request.indexes
    built = {pin.sha256 for _, pin in request.built}
    return {
        "python": target.python,
        "runtime": runtime,
        "python.packages": [without_credentials(line) for line in request.lines],
        "python.wheels": {wheel.path.name: wheel.sha256 for wheel in request.wheels if wheel.sha256 not in built},
        # Lists, as they are read back.
        BUILT: {line: to_builtins(pin) | {"tools": list(pin.tools)} for line, pin in request.built} or None,
        "python.lockfile": {request.lockfile.name: request.lockfile.digest} if request.lockfile else None,
        "requirements files": {_label(file): _digest(file.lines) for file in request.files},
        "indexes": {
            "index_url": without_credentials(indexes.index_url) if indexes.index_url else None,
            "extra_index_url": [without_credentials(url) for url in indexes.extra_index_url],
            "find_links": [without_credentials(place) for place in indexes.find_links],
            "wheels in find_links": {wheel.path.name: wheel.sha256 for wheel in request.wheelhouse},
            "no_index": indexes.no_index,
            "trusted_host": list(indexes.trusted_host),
            # Only a digest: a proxy's password has no form by which it could be told and left out.
            "pip_args": _digest(indexes.pip_args) if indexes.pip_args else None,
        },
    }


def torch_inputs(torch: Mapping[str, TorchIndex]) -> dict[str, Any]:
    """The inputs that concern PyTorch's packages alone, of an index for each variant."""
    return {
        "python.torch_index": next((without_credentials(each.address) for each in torch.values()), None),
        "CUDA of torch": {variant: each.cuda for variant, each in torch.items() if each.cuda} or None,
    }


def hashed_requirements(packages: tuple[LockedPackage, ...], indexes: Indexes, *, wheels: bool) -> str:
    """Write ``requirements.lock``: index options first, then every package with all its hashes.

    Args:
        wheels: whether there is a ``wheels`` folder beside the file; pip reads the option relative to the file.
    """
    lines = ["# Every line is hashed: pip refuses anything else (--require-hashes)."]
    lines += [without_credentials(line) for line in index_lines(indexes)]
    lines += [f"--extra-index-url {url}" for url in sorted({each.index for each in packages if each.index})]
    if wheels:
        lines.append("--find-links wheels")
    lines += [_requirement(package) for package in packages]
    return "\n".join(lines) + "\n"


def index_lines(indexes: Indexes) -> Iterator[str]:
    """Yield the index options as lines of a requirements file, with credentials and without the local folders."""
    if indexes.no_index:
        yield "--no-index"
    else:
        yield from ([f"--index-url {indexes.index_url}"] if indexes.index_url else [])
        yield from (f"--extra-index-url {url}" for url in indexes.extra_index_url)
    yield from (f"--find-links {place}" for place in indexes.find_links)
    yield from (f"--trusted-host {host}" for host in indexes.trusted_host)


def input_text(request: Request) -> str:
    """Write ``requirements.in``: what was asked for, for people to read; nothing is installed from it."""
    parts = ["# What the bentofile asks for; requirements.lock is what it came to."]
    parts += [without_credentials(line) for line in request.lines]
    parts += [f"# Built of {pin.source}: {label}" for label, pin in request.built]
    parts += [f"# The packages of {request.lockfile.name}."] if request.lockfile else []
    for file in request.files:
        parts += ["", f"# {_label(file)}", *map(without_credentials, file.lines)]
    return "\n".join(parts).rstrip() + "\n"


def locked_versions(text: str) -> dict[str, str]:
    """Return what ``hashed_requirements`` wrote, as the version (or URL) of each package."""
    found = re.findall(r"^([a-z0-9-]+)(?:==| @ )(\S+)", text, flags=re.MULTILINE)
    return dict(found)


def has_own_index(text: str) -> bool:
    """Whether what ``hashed_requirements`` wrote takes packages from elsewhere than indexes beside PyPI."""
    return re.search(r"^--(index-url|no-index|find-links)", text, flags=re.MULTILINE) is not None


def _label(file: RequirementsFile) -> str:
    return f"{file.name} (constraints)" if file.constraint else file.name


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(map(without_credentials, lines)).encode()).hexdigest()


def _requirement(package: LockedPackage) -> str:
    exact = f"{package.name} @ {package.url}" if package.url else f"{package.name}=={package.version}"
    marker = f" ; {package.marker}" if package.marker else ""
    return " \\\n".join([exact + marker, *(f"    --hash={each}" for each in package.hashes)])
