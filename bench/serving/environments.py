"""What the benchmark needs on the machine: an environment for each peer, two programs in C, wrk."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

_MODELS = ("numpy>=1.26", "scikit-learn>=1.4", "orjson>=3.10")
_PACKAGES = {
    "bentopack": ("--editable", str(ROOT)),
    "flask": ("flask==3.1.3", "gunicorn==27.0.1"),
    "fastapi": ("fastapi==0.165.0", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0"),
    "mosec": ("mosec==0.9.8",),
    "bentoml": ("bentoml==1.4.39",),
    "litserve": ("litserve==0.2.19",),
    "plots": ("matplotlib>=3.8,<4",),
}
_PROGRAMS = {"wrk": ("wrk",), "gcc": ("gcc", "libc6-dev")}
"""With the packages of Debian that bring them."""


def work() -> Path:
    """The folder of all that is made here."""
    return Path(os.environ.get("BENCH_WORK", Path(tempfile.gettempdir()) / "bentopack-bench")) / "serving"


def interpreter(name: str) -> Path:
    """The Python of an environment, which is made at the first run and again when what it should hold has changed."""
    folder = work() / "environments" / name
    python = folder / "bin/python"
    wanted = " ".join((platform.python_version(), *_PACKAGES[name], *(() if name == "plots" else _MODELS)))
    done = folder.with_suffix(".done")
    if not done.exists() or done.read_text() != wanted:
        print(f"making the environment of {name}", file=sys.stderr)
        done.unlink(missing_ok=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        models = () if name == "plots" else _MODELS
        _run([str(python), "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1"])
        _run([str(python), "-m", "pip", "install", "--quiet", *_PACKAGES[name], *models])
        done.write_text(wanted)
    return python


def versions(name: str) -> dict[str, str]:
    """The packages that matter in an environment."""
    names = {each.partition("=")[0].partition(">")[0] for each in (*_PACKAGES[name], *_MODELS)} | {"uvicorn", "uvloop"}
    script = "import importlib.metadata as m; print(*(d.name.lower() + '=' + d.version for d in m.distributions()))"
    done = subprocess.run([interpreter(name), "-c", script], capture_output=True, text=True, check=True)
    found = dict(each.split("=", 1) for each in done.stdout.split())
    return {each: version for each, version in sorted(found.items()) if each in names | {name}}


def compiled(name: str) -> Path:
    """A program of ``native/``, compiled anew when its source has changed."""
    source, program = HERE / "native" / f"{name}.c", work() / "programs" / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(parents=True, exist_ok=True)
        fresh = program.with_suffix(f".{os.getpid()}")
        _run(["gcc", "-O2", "-Wall", "-o", str(fresh), str(source), "-lm"])
        fresh.replace(program)
    return program


def missing_programs() -> list[str]:
    """The programs of the system that are not here."""
    return [each for each in _PROGRAMS if shutil.which(each) is None]


def install_programs() -> None:
    """Install what is missing with apt, as root; else say what to install."""
    missing = missing_programs()
    packages = [package for each in missing for package in _PROGRAMS[each]]
    if importlib.util.find_spec("ensurepip") is None:  # Debian has it in a package of its own
        missing, packages = [*missing, "venv"], [*packages, "python3-venv"]
    if missing:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            sys.exit(f"{' and '.join(missing)} not found: apt-get install {' '.join(packages)}")
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-y", "-qq", *packages])


def machine() -> dict[str, str | int]:
    """The machine that the figures are from."""
    cpus = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in cpus.splitlines() if line.startswith("model name")), "")
    return {
        "processors": os.cpu_count() or 0,
        "processor": model,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
