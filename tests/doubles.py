"""The few stand-ins, named for what they stand in for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from bentopack._report import Reporter
from bentopack.lock.lockfile import LockedBase
from bentopack.lock.resolver import LockedPackage, Request, Target
from bentopack.spec.manifest import ImageInfo, Manifest


class FixedResolver:
    """A package index that always has the same: resolves every request to the packages it was made with."""

    def __init__(self, packages: Mapping[str, str] | None = None) -> None:
        self.packages = dict(packages or {"msgspec": "0.22.0"})
        self.asked: list[Request] = []

    def resolve(self, request: Request, target: Target, reporter: Reporter) -> tuple[LockedPackage, ...]:
        self.asked.append(request)
        return tuple(
            LockedPackage(name=name, version=version, hashes=(f"sha256:{hashlib.sha256(name.encode()).hexdigest()}",))
            for name, version in sorted(self.packages.items())
        )


class FixedImages:
    """A registry that has every image under the same digest, or with ``digest=None`` cannot be reached."""

    def __init__(self, digest: str | None = f"sha256:{'0' * 64}", base: str = "python:3.11-slim") -> None:
        self.digest = digest
        self.name = base
        self.asked: list[str] = []

    def base(self, image: ImageInfo, variant: str, python: str) -> str:
        return f"{self.name}-{variant}"

    def cuda(self, version: str) -> str:
        return version

    def pin(self, name: str) -> LockedBase:
        self.asked.append(name)
        return LockedBase(image=name, digest=self.digest, unpinned=None if self.digest else "no registry answers")

    def dockerfiles(
        self, manifest: Manifest, requirements: Mapping[str, str], template: str | None
    ) -> Mapping[str, bytes]:
        return {"env/docker/Dockerfile": b"FROM scratch\n"}


class Recorder:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def step(self, message: str) -> None:
        self.steps.append(message)

    def output(self, line: str) -> None:
        self.lines.append(line)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write text files below a folder and return it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
