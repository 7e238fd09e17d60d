"""What differs between two Bentos, in the words of what they are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from bentopack.bento.digest import read_sums
from bentopack.bento.packages import read_requirements
from bentopack.lock.requirements import locked_versions
from bentopack.spec.manifest import Manifest, read_manifest

Section = Literal["setting", "api", "model", "package", "file"]


@dataclass(frozen=True, order=True)
class Change:
    """One difference. ``before`` is None where the thing is new, ``after`` where it is gone."""

    section: Section
    name: str
    before: str | None
    after: str | None


def diff_bentos(before: Path, after: Path) -> list[Change]:
    """Compare two Bento directories, trusting their ``SHA256SUMS``: nothing is hashed.

    Models and packages are told as such, and not again as the files that hold them.

    Raises:
        NotFound, IntegrityError: one of them is no Bento.
    """
    old, new = read_manifest(before), read_manifest(after)
    return [
        *_changes("setting", _settings(old), _settings(new)),
        *_changes("api", _apis(old), _apis(new)),
        *_changes("model", _models(old), _models(new)),
        *_changes("package", _packages(before, old), _packages(after, new)),
        *_changes("file", _files(before), _files(after)),
    ]


def _changes(section: Section, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield Change(section, name, old.get(name), new.get(name))


def _settings(manifest: Manifest) -> dict[str, str]:
    """All of the manifest that no other section tells, by dotted path."""
    told = {"format", "models", "service.apis", *(f"variants.{name}.packages" for name in manifest.variants)}
    return {
        path: value
        for path, value in _flat(msgspec.to_builtins(manifest), "")
        if not any(_below(path, t) for t in told)
    }


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _below(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}.")


def _apis(manifest: Manifest) -> dict[str, str]:
    return {
        f"{api.name}.{key}": str(value)
        for api in manifest.service.apis
        for key, value in msgspec.to_builtins(api).items()
        if key != "name"
    }


def _models(manifest: Manifest) -> dict[str, str]:
    return {spelling: f"{model.tag} {model.digest}" for model in manifest.models for spelling in model.spellings}


def _packages(bento: Path, manifest: Manifest) -> dict[str, str]:
    """Locked versions by package, marked with the variant where there is more than one."""
    several = len(manifest.variants) > 1
    return {
        f"{name} ({variant})" if several else name: version
        for variant in manifest.variants
        for name, version in locked_versions(read_requirements(bento, manifest, variant)).items()
    }


def _files(bento: Path) -> dict[str, str]:
    """The files that are not written from what the other sections tell, and which of them are executable."""
    return {
        name: f"sha256:{sha256[:16]}{' executable' if (bento / name).stat().st_mode & 0o100 else ''}"
        for name, sha256 in read_sums(bento).items()
        if name.startswith(("src/", "env/runtime/", "env/docker/setup_script", "env/docker/Dockerfile.template"))
        or "/wheels/" in name
    }
