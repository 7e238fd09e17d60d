"""Runs a project's build backend (PEP 517) in an environment of its own, with the build tools that a lock pins."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from pyproject_hooks import BackendUnavailable, BuildBackendHookCaller, HookMissing, UnsupportedOperation

from bentopack._fs import EPOCH
from bentopack._report import Reporter
from bentopack.errors import LockError, SpecError
from bentopack.lock.machine import as_uv_reads
from bentopack.lock.process import explain, run
from bentopack.spec.toml_source import read_toml

# What build tools take the time and the order of things from.
_FIXED = {"SOURCE_DATE_EPOCH": str(EPOCH), "PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"}
# What a project without a [build-system] is built with.
_LEGACY = {"requires": ["setuptools>=40.8"], "build-backend": "setuptools.build_meta:__legacy__"}


class ToolsMissing(LockError):
    """The build tools cannot be installed."""


@dataclass(frozen=True)
class Backend:
    """A project's build backend, and the folder in which its environment is made.

    ``pins`` are ``name==version`` of build tools: where one of these is needed, it is this version.
    """

    project: Path
    folder: Path
    pins: Sequence[str]
    reporter: Reporter

    def build(self) -> tuple[Path, tuple[str, ...]]:
        """Build a wheel; return it, and the build tools that it was built with as ``name==version``.

        Raises:
            ToolsMissing: what it is built with cannot be installed.
            LockError: the project cannot be read, or its backend fails; the message is what it said.
        """
        system = _build_system(self.project)
        venv.create(self._env, symlinks=os.name != "nt")
        self._install(system["requires"])
        output = self.folder / "wheel"
        output.mkdir()
        try:
            hooks = BuildBackendHookCaller(
                str(self.project), system["build-backend"], system.get("backend-path"), self._hook, str(self._python)
            )
            self._install(hooks.get_requires_for_build_wheel())
            wheel = hooks.build_wheel(str(output))
        except (BackendUnavailable, HookMissing, UnsupportedOperation, ValueError) as error:
            raise LockError(f"  the backend '{system['build-backend']}' cannot be used: {_why(error)}") from None
        return output / wheel, self._installed()

    @property
    def _env(self) -> Path:
        return self.folder / "env"

    @property
    def _python(self) -> Path:
        return self._env / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def _hook(self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        # Scripts of build tools, such as cmake, are found like those of an environment that is active.
        path = f"{self._python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        environment = {**_FIXED, "PATH": path, "VIRTUAL_ENV": str(self._env), **(extra_environ or {})}
        said: list[str] = []
        if run(list(cmd), Path(cwd or self.project), said, self.reporter, environment=environment, umask=0o022):
            raise LockError(explain(said))

    def _install(self, requirements: Sequence[str]) -> None:
        if not requirements:
            return
        asked, pinned = self.folder / "requires.txt", self.folder / "pins.txt"
        asked.write_text("".join(f"{each}\n" for each in requirements), encoding="utf-8")
        pinned.write_text("".join(f"{each}\n" for each in self.pins), encoding="utf-8")
        command = [*_installer(self._python), "--constraint", str(pinned), "--requirement", str(asked)]
        said: list[str] = []
        environment = {**_FIXED, **as_uv_reads(os.environ)}
        if run(command, self.folder, said, self.reporter, environment=environment):
            raise ToolsMissing(explain(said))

    def _installed(self) -> tuple[str, ...]:
        places = [str(path) for path in self._env.glob("[Ll]ib/**/site-packages")]
        found = importlib.metadata.distributions(path=places)
        return tuple(sorted({f"{canonicalize_name(each.name)}=={each.version}" for each in found}))


def _build_system(project: Path) -> dict[str, Any]:
    try:
        text = (project / "pyproject.toml").read_text("utf-8")
        table = read_toml(text, "pyproject.toml").get("build-system", _LEGACY)
    except FileNotFoundError:
        return _LEGACY
    except (SpecError, UnicodeDecodeError) as error:
        raise LockError(f"  {error}") from None
    if not isinstance(table, dict) or not _texts(table.get("requires")) or not _texts(table.get("backend-path", [])):
        raise LockError("  pyproject.toml: [build-system] is not of its form: 'requires' is a list of requirements")
    backend = table.get("build-backend", _LEGACY["build-backend"])
    if not isinstance(backend, str):
        raise LockError("  pyproject.toml: 'build-backend' of [build-system] is not a text")
    return {**table, "build-backend": backend}


def _texts(value: object) -> bool:
    # A line break would begin a line of its own in a requirements file, which could be an option.
    return isinstance(value, list) and all(isinstance(each, str) and each.isprintable() for each in value)


def _installer(python: Path) -> list[str]:
    try:
        from uv import find_uv_bin
    except ImportError:
        return [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    options = ["--no-config", "--no-python-downloads", "--quiet", "--color=never"]
    return [find_uv_bin(), "pip", "install", *options, "--python", str(python)]


def _why(error: Exception) -> str:
    said = getattr(error, "traceback", None) or str(error)
    return explain(said.splitlines()).strip() or type(error).__name__
