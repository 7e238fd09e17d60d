"""Makes projects to build wheels of, and git repositories of them."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

from tests.doubles import write_files
from tests.lock.wheel import write_wheel

# The least that builds: no other package is needed, so nothing is downloaded. The time of the build is in the wheel
# that it writes, as it would be in many a tool's.
BACKEND = """\
import time
import zipfile


def build_wheel(directory, config_settings=None, metadata_directory=None):
    name, version = "NAME", "VERSION"
    path = f"{name}-{version}-TAG.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": open("module.py").read(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\nProvides-Extra: more\\n"
        "Requires-Dist: iniconfig==2.0.0; extra == 'more'\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: TAG\\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{each},,\\n" for each in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(f"{directory}/{path}", "w", zipfile.ZIP_DEFLATED) as wheel:
        for each, text in files.items():
            wheel.writestr(zipfile.ZipInfo(each, time.localtime()[:6]), text)
    return path
"""
PYPROJECT = '[project]\nname = "NAME"\nversion = "VERSION"\n'
BUILD = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def write_project(folder: Path, name: str, version: str = "1.0", *, tag: str = "py3-none-any", code: str = "") -> Path:
    """Write a project that builds without the network and return its folder."""

    files = {"pyproject.toml": PYPROJECT + BUILD, "backend.py": BACKEND}
    texts = {path: filled(text, name, version, tag) for path, text in files.items()}
    return write_files(folder, {**texts, "module.py": code})


def filled(text: str, name: str, version: str, tag: str) -> str:
    return text.replace("NAME", name).replace("VERSION", version).replace("TAG", tag)


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it prints."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path) -> str:
    """Commit all that is in a folder and return the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")
    return git(folder, "rev-parse", "HEAD")


def write_backend(folder: Path, version: str) -> None:
    """Write a wheel of a build tool into a folder: `stamping`, which writes its version into what it builds."""
    code = filled(BACKEND, "thing", "1.0", "py3-none-any").replace("Generator: tests", f"Generator: stamping {version}")
    folder.mkdir(exist_ok=True)
    path = write_wheel(folder / f"stamping-{version}-py3-none-any.whl", "stamping", version)
    with zipfile.ZipFile(path, "a") as wheel:
        wheel.writestr("stamping.py", code)


def write_stamped(folder: Path) -> Path:
    """Write a project that any version of `stamping` builds, and return its folder."""
    build = '[build-system]\nrequires = ["stamping"]\nbuild-backend = "stamping"\n'
    return write_files(folder, {"pyproject.toml": filled(PYPROJECT, "thing", "1.0", "") + build, "module.py": ""})
