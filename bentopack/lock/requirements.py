"""The requirements of a project: gathered from its bentofile, and written back hashed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bentopack._fs import sha256_file
from bentopack.errors import LockError
from bentopack.lock.credentials import without_credentials
from bentopack.lock.resolver import Indexes, LocalWheel, LockedPackage, Request, Target


def local_wheel(path: Path) -> LocalWheel:
    """Describe a wheel by its file name.

    Raises:
        LockError: the name is not that of a wheel.
    """
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        name, version, _, _ = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise LockError(f"python.wheels: {path} is not a wheel: {error}") from None
    return LocalWheel(name, str(version), path, sha256_file(path))


def requirements_files(first: Path, root: Path) -> Iterator[Path]:
    """Yield a requirements file and all that it names by ``-r`` and ``-c``, each once.

    Raises:
        LockError: one is missing, lies outside ``root``, or asks for what cannot be locked.
    """
    seen: set[Path] = set()
    waiting = [first]
    while waiting:
        path = waiting.pop(0)
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        yield path
        for number, line in enumerate(_lines(path), start=1):
            place = f"{path.relative_to(root).as_posix()}:{number}"
            _refuse_unhashable(line, place)
            nested = re.match(r"(?:-[rc]\s*|--(?:requirement|constraint)[\s=]+)(\S.*)", line)
            if nested:
                waiting.append(_inside(path.parent / nested.group(1).strip(), root, place))


def inputs_of(request: Request, target: Target, runtime: str, root: Path) -> dict[str, Any]:
    """Everything a resolution depends on that this project decides, by name; without credentials or paths outside."""
    indexes = request.indexes
    return {
        "python": target.python,
        "platform": target.platform,
        "runtime": runtime,
        "python.packages": [without_credentials(line) for line in request.lines],
        "python.wheels": {wheel.path.name: wheel.sha256 for wheel in request.wheels},
        "requirements files": {
            path.relative_to(root).as_posix(): hashlib.sha256("\n".join(_lines(path)).encode()).hexdigest()
            for first in request.files
            for path in requirements_files(first, root)
        },
        "indexes": {
            "index_url": without_credentials(indexes.index_url) if indexes.index_url else None,
            "extra_index_url": [without_credentials(url) for url in indexes.extra_index_url],
            "find_links": [without_credentials(place) for place in indexes.find_links],
            "no_index": indexes.no_index,
            "trusted_host": list(indexes.trusted_host),
            "pip_args": list(indexes.pip_args),
        },
    }


def hashed_requirements(packages: tuple[LockedPackage, ...], indexes: Indexes, *, wheels: bool) -> str:
    """Write ``requirements.lock``: index options first, then every package with all its hashes.

    Args:
        wheels: whether there is a ``wheels`` folder beside the file; pip reads the option relative to the file.
    """
    lines = ["# Every line is hashed: pip refuses anything else (--require-hashes)."]
    if indexes.index_url:
        lines.append(f"--index-url {without_credentials(indexes.index_url)}")
    lines += [f"--extra-index-url {without_credentials(url)}" for url in indexes.extra_index_url]
    lines += [f"--trusted-host {host}" for host in indexes.trusted_host]
    if wheels:
        lines.append("--find-links wheels")
    lines += [_requirement(package) for package in packages]
    return "\n".join(lines) + "\n"


def input_text(request: Request, root: Path) -> str:
    """Write ``requirements.in``: what was asked for, for people to read; nothing is installed from it."""
    parts = ["# What the bentofile asks for; requirements.lock is what it came to."]
    parts += [without_credentials(line) for line in request.lines]
    for first in request.files:
        for path in requirements_files(first, root):
            parts += ["", f"# {path.relative_to(root).as_posix()}", *map(without_credentials, _lines(path))]
    return "\n".join(parts).rstrip() + "\n"


def _requirement(package: LockedPackage) -> str:
    exact = f"{package.name} @ {package.url}" if package.url else f"{package.name}=={package.version}"
    marker = f" ; {package.marker}" if package.marker else ""
    return " \\\n".join([exact + marker, *(f"    --hash={each}" for each in package.hashes)])


def _lines(path: Path) -> list[str]:
    """A requirements file's lines, without comments, whatever its line endings."""
    text = path.read_text(encoding="utf-8-sig")
    return [re.sub(r"(^|\s)#.*$", "", line).strip() for line in text.splitlines()]


def _refuse_unhashable(line: str, place: str) -> None:
    if re.match(r"(-e|--editable)\b|\.{0,2}/", line) or re.search(r"\b(git|hg|svn|bzr)\+", line):
        raise LockError(
            f"{place}: '{without_credentials(line)}' cannot be locked: it has no hash that stays the same",
            hint="build a wheel of it and list the wheel under python.wheels",
        )


def _inside(path: Path, root: Path, place: str) -> Path:
    if not path.resolve().is_relative_to(root.resolve()):
        raise LockError(f"{place}: {path} is outside the project {root}")
    if not path.is_file():
        raise LockError(f"{place}: the file {path} does not exist")
    return path
