"""A lockfile of another tool is the truth: what it holds is taken as it is, and never resolved again."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from packaging.pylock import is_valid_pylock_path

from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.compiled import RUNTIME_NAME
from bentopack.lock.poetry import read_poetry
from bentopack.lock.process import explain, run
from bentopack.lock.pylock import Entry, Unbuilt, Unhashed, read_pylock
from bentopack.lock.resolver import Indexes, LockedPackage, Lockfile, Request, RequirementsFile, Resolver, Target
from bentopack.lock.sound import require_sound
from bentopack.lock.wheels import has_build, no_build
from bentopack.spec.toml_source import read_toml

_PYPI = "https://pypi.org/simple"


def describe_lockfile(path: Path, name: str) -> Lockfile:
    """Describe a lockfile by what it says; ``name`` is its path in the project.

    Raises:
        LockError: it is not text.
    """
    # Read as text: a checkout with other line endings is the same lockfile.
    return Lockfile(name, path, hashlib.sha256(_text(path, name).encode()).hexdigest())


class LockfileResolver:
    """Takes what a request's lockfile holds, and lets another resolver add what that lacks for the runtime."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def resolve(self, request: Request, target: Target, reporter: Reporter) -> tuple[LockedPackage, ...]:
        if request.lockfile is None:
            return self._resolver.resolve(request, target, reporter)
        held = read_lockfile(request.lockfile, request, target, reporter)
        asked = replace(request, lockfile=None, files=(*request.files, _exactly(held, request.lockfile.name)))
        try:
            added = self._resolver.resolve(asked, target, reporter)
        except LockError as error:
            raise LockError(
                f"{request.lockfile.name} does not go together with what the runtime of a Bento needs: {error.message}",
                hint=f"change the version in the project, and lock it anew with the tool that made "
                f"{request.lockfile.name}; nothing of it is changed here",
            ) from None
        names = {package.name for package in held}
        return tuple(sorted((*held, *(each for each in added if each.name not in names)), key=lambda each: each.name))


def read_lockfile(
    lockfile: Lockfile, request: Request, target: Target, reporter: Reporter
) -> tuple[LockedPackage, ...]:
    """Return what a lockfile holds for the target, in the order of the names and all hashed.

    A wheel that the project brings takes the place of the lockfile's package, and the runtime that of bentopack.

    Raises:
        LockError: it cannot be read, is not for the target, or holds something without a hash.
    """
    replaced = {RUNTIME_NAME, *(wheel.name for wheel in request.wheels)}
    entries = [entry for entry in _entries(lockfile, target, reporter) if entry.name not in replaced]
    if unhashed := [entry for entry in entries if isinstance(entry, Unhashed)]:
        raise LockError(
            f"{lockfile.name} holds what has no hash that stays the same:\n"
            + "\n".join(f"  '{entry.name}' {entry.what}" for entry in unhashed),
            hint="build a wheel of each and list the wheels under python.wheels, which take their place",
        )
    if unbuilt := next((entry for entry in entries if isinstance(entry, Unbuilt)), None):
        raise no_build(f"{lockfile.name}: {unbuilt.name} {unbuilt.version}", unbuilt.files, target)
    packages = [_of_index(entry, request.indexes) for entry in entries if isinstance(entry, LockedPackage)]
    for package in packages:
        require_sound(package, lockfile.name)
    _require_one_each(packages, lockfile.name)
    if request.indexes.no_index:
        packages = _of_folders(packages, request, lockfile.name, target)
    return tuple(sorted(packages, key=lambda package: (package.name, package.marker or "")))


def _entries(lockfile: Lockfile, target: Target, reporter: Reporter) -> Iterable[Entry]:
    path, name = lockfile.path, lockfile.name
    if path.name == "poetry.lock":
        return read_poetry(read_toml(_text(path, name), name), name, target)
    if path.name == "uv.lock":
        return read_pylock(_exported(path, name, reporter), name, target)
    if is_valid_pylock_path(Path(path.name)):
        return read_pylock(read_toml(_text(path, name), name), name, target)
    raise LockError(
        f"{name}: no lockfile that is known", hint="known: pylock.toml, pylock.*.toml, uv.lock, poetry.lock"
    )


def _exported(path: Path, name: str, reporter: Reporter) -> Mapping[str, Any]:
    """Have uv write its own lockfile in the form that all tools share: only uv knows what its forks mean."""
    if not path.with_name("pyproject.toml").is_file():
        raise LockError(
            f"{name}: there is no pyproject.toml beside it",
            hint="uv reads its lockfile only there; put it back, or `uv export --format pylock.toml` and name that",
        )
    try:
        from uv import find_uv_bin
    except ImportError:
        raise LockError(f"{name} is read by uv, which is not installed", hint="pip install uv") from None
    options = (
        "--frozen",
        "--no-config",
        "--no-python-downloads",
        "--no-default-groups",
        "--no-emit-project",
        "--quiet",
    )
    said: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bentopack-lock-") as folder:
        output = Path(folder).resolve() / "pylock.toml"
        command = [find_uv_bin(), "export", *options, "--color=never", "--format", "pylock.toml"]
        if run([*command, "--output-file", str(output)], path.parent, said, reporter):
            raise LockError(f"uv cannot read {name}:\n{explain(said)}", hint="run `uv lock` beside it")
        return read_toml(_text(output, name), name)


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise LockError(f"{name} is not UTF-8 text") from None


def _of_index(package: LockedPackage, indexes: Indexes) -> LockedPackage:
    """Leave out the index of a package where the project asks it anyway."""
    known = {each.rstrip("/") for each in (_PYPI, indexes.index_url or _PYPI, *indexes.extra_index_url)}
    if package.index is None or package.index.rstrip("/") not in known:
        return package
    return msgspec.structs.replace(package, index=None)


def _of_folders(packages: Sequence[LockedPackage], request: Request, name: str, target: Target) -> list[LockedPackage]:
    """Lock each package to the wheel in ``find_links`` that the lockfile has the hash of: no index is to be asked.

    Raises:
        LockError: there is none of some, and no page either that could have one.
    """
    wheels = {f"sha256:{wheel.sha256}": wheel for wheel in request.wheelhouse if has_build([wheel.path.name], target)}
    found, missing = [], []
    for package in packages:
        here = tuple(each for each in package.hashes if each in wheels)[:1]
        if not here and not request.indexes.find_links and not package.url:
            missing.append(f"  {package.name} {package.version}")
        found.append(msgspec.structs.replace(package, index=None, hashes=here or package.hashes))
    if missing:
        raise LockError(
            f"python.no_index: no folder of find_links has a file that {name} names for\n" + "\n".join(missing),
            hint=f"put those very files there, or leave python.no_index out: {name} says where its packages come from",
        )
    return found


def _require_one_each(packages: Sequence[LockedPackage], name: str) -> None:
    """Refuse two releases of one package, but for those that the image's patch release chooses from."""
    seen: dict[str, LockedPackage] = {}
    for package in packages:
        other = seen.setdefault(package.name, package)
        if other is not package and (other.marker is None or package.marker is None):
            raise LockError(f"{name} holds '{package.name}' twice for this target: {other.version}, {package.version}")


def _exactly(packages: Sequence[LockedPackage], name: str) -> RequirementsFile:
    """A file of constraints by which a resolver can move none of the packages."""
    lines = tuple(
        (f"{package.name} @ {package.url}" if package.url else f"{package.name}=={package.version}")
        + (f" ; {package.marker}" if package.marker else "")
        for package in packages
    )
    return RequirementsFile(name, constraint=True, lines=lines, requirements=lines, options=(), indexes=Indexes())
