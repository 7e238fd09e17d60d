"""A Bento's own Python environment on this machine: made once a lock, and kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from bentopack._fs import writing
from bentopack._home import home
from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.credentials import concealing, without_credentials
from bentopack.lock.machine import as_pip_reads, authorised_lines
from bentopack.lock.process import explain, run
from bentopack.spec.manifest import Manifest, read_manifest

_DONE = ".bentopack-complete"


def locked_python(bento: Path, *, reporter: Reporter, variant: str = "cpu") -> Path:
    """Return the Python of the Bento's locked environment, making the environment where there is none yet.

    It lies below ``$BENTOPACK_HOME/envs`` under the digest of what is installed in it, so Bentos with the same lock
    and runtime share one. Two processes may ask at once; a killed one leaves what the next one makes anew.

    Raises:
        LockError: the packages cannot be installed, or this machine lacks the Bento's Python.
        StorageError: there is none yet, and the place for it cannot be written.
    """
    manifest = read_manifest(bento)
    requirements = bento / manifest.variants[variant].requirements
    folder = home() / "envs" / _key(manifest, bento, requirements)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if _is_whole(folder, python):  # also where there may be no lock file, since all of it may only be read
        return python
    if manifest.image.conda:
        reporter.warn("what the Bento has of conda is only in its image: here its Python packages do without")
    interpreter = _interpreter(manifest.python)
    with writing(folder.parent, otherwise="set BENTOPACK_HOME to"), _alone(folder):
        if _is_whole(folder, python):
            return python
        shutil.rmtree(folder, ignore_errors=True)
        try:
            reporter.step(f"making the environment of {manifest.name} ({manifest.variants[variant].packages} packages)")
            # Isolated (-I), so that no module of the folder where the user stands takes part.
            _run([interpreter, "-I", "-m", "venv", str(folder)], reporter)
            pip = [str(python), "-I", "-m", "pip", "--disable-pip-version-check", "install"]
            _install(pip, requirements, reporter)
            _run([*pip, "--no-deps", "--no-index", str(bento / manifest.runtime)], reporter)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        (folder / _DONE).touch()
    return python


def _is_whole(folder: Path, python: Path) -> bool:
    return (folder / _DONE).exists() and python.exists()  # its Python may have been removed since


def _alone(folder: Path) -> FileLock:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(folder.with_suffix(".lock"))


def _key(manifest: Manifest, bento: Path, requirements: Path) -> str:
    total = hashlib.sha256(f"{manifest.python} {sys.platform}\n".encode())
    total.update(requirements.read_bytes())
    total.update((bento / manifest.runtime).read_bytes())
    return total.hexdigest()[:24]


def _interpreter(version: str) -> str:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(f"python{version}")
    if found is None:
        raise LockError(
            f"the Bento needs Python {version}, which is not on PATH; this one is {sys.version.split()[0]}",
            hint=f"install Python {version}, or use --env current, or run the Bento's image",
        )
    return found


def _install(pip: list[str], requirements: Path, reporter: Reporter) -> None:
    """Install what is locked, by a copy of the file that has the credentials of this machine."""
    text = requirements.read_text("utf-8")
    house = (requirements.parent / "wheels").resolve()
    lines = authorised_lines(text, os.environ).replace("--find-links wheels\n", f"--find-links {house.as_uri()}\n")
    with tempfile.TemporaryDirectory(prefix="bentopack-env-") as folder:
        copy = Path(folder, "requirements.txt")
        copy.write_text(lines, encoding="utf-8")
        _run([*pip, "--require-hashes", "-r", str(copy)], reporter, concealing(text.splitlines(), os.environ))


def _run(command: list[str], reporter: Reporter, conceal: Callable[[str], str] = without_credentials) -> None:
    said: list[str] = []
    if run(command, Path.cwd(), said, reporter, environment=as_pip_reads(os.environ), conceal=conceal):
        raise LockError(f"the environment cannot be made:\n{explain(said)}", hint="the lock itself was not changed")
