"""What building costs: a first build, one that changes nothing, and one with a large model; against BentoML's.

    python bench/build.py [--rounds 5] [--json FILE]

Both tools build the same service on the same model, with warm package caches and locking on. "First" means without a
lock and without the Bento in the store; "again" means that nothing changed since.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = Path(os.environ.get("BENCH_WORK", Path(tempfile.gettempdir()) / "bentopack-bench"))
BENTOML = "bentoml==1.4.39"
LARGE = 2 << 30  # bytes

SERVICE = """\
import {package}
import numpy as np


@{package}.service
class Iris:
    {model}

    @{package}.api(batchable=True)
    def classify(self, flowers: np.ndarray) -> np.ndarray:
        return self.model.predict(flowers)
"""
BENTOFILE = "service: service:Iris\ninclude: [service.py]\npython:\n  packages: [numpy, scikit-learn]\n"
TRAIN = """\
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
x, y = load_iris(return_X_y=True)
model = RandomForestClassifier(50, random_state=0).fit(x, y)
"""


class Side:
    """One tool with its Python, a project and a store."""

    def __init__(self, name: str, python: Path, build: list[str], model: str, save: str, home: str) -> None:
        self.name = name
        self.python = python
        self.folder = WORK / "projects" / name
        self.home = WORK / "homes" / name
        # Installed programs have their bytecode; where this shell writes none, both sides still do.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.environment = {**kept, home: str(self.home), "BENTOML_DO_NOT_TRACK": "True"}
        self._build = build
        self._files = {
            "service.py": SERVICE.format(package=name, model=model),
            "bentofile.yaml": BENTOFILE,
            "train.py": TRAIN + save,
        }

    def prepare(self) -> None:
        """Make the project and the model, in an empty store; what is known of packages is kept, as pip's cache is."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.home.mkdir(parents=True, exist_ok=True)
        for path in self.home.iterdir():
            if path.name != "cache":
                shutil.rmtree(path)
        for name, text in self._files.items():
            (self.folder / name).write_text(text)
        self.run([str(self.python), "train.py"])

    def build(self) -> float:
        """Build once and return the seconds."""
        return self.timed([str(self.python.with_name(self.name)), *self._build])

    def timed(self, command: list[str]) -> float:
        began = time.perf_counter()
        self.run(command)
        return time.perf_counter() - began

    def run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def sides() -> tuple[Side, Side]:
    """bentopack and BentoML, each with the same service on the same model."""
    ours = Side(
        "bentopack",
        Path(sys.executable),
        ["build"],
        'model = bentopack.model("iris:latest")',
        "import bentopack\nbentopack.save_model('iris', model)\n",
        "BENTOPACK_HOME",
    )
    theirs = Side(
        "bentoml",
        peer(BENTOML),
        ["build"],
        'model = bentoml.models.BentoModel("iris:latest")',
        "import bentoml\nbentoml.sklearn.save_model('iris', model)\n",
        "BENTOML_HOME",
    )
    return ours, theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ours, theirs = sides()
    figures = {
        **compare_builds(ours, theirs, options.rounds),
        **large_model(ours, options.rounds),
        **hashing(options.rounds),
    }
    for name, value in figures.items():
        print(f"| {name} | {value:.3f} |")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


def compare_builds(ours: Side, theirs: Side, rounds: int) -> dict[str, float]:
    first: dict[str, list[float]] = {ours.name: [], theirs.name: []}
    again: dict[str, list[float]] = {ours.name: [], theirs.name: []}
    version: list[float] = []
    for number in range(rounds + 1):
        for side in (ours, theirs):
            side.prepare()
            timings = side.build(), side.build()
            if number:  # the round before warmed the package caches
                first[side.name].append(timings[0])
                again[side.name].append(timings[1])
        version.append(ours.timed([str(ours.python.with_name("bentopack")), "--version"]))
    middle = statistics.median
    return {
        "first build, bentopack (s)": middle(first[ours.name]),
        "first build, bentoml (s)": middle(first[theirs.name]),
        "first build, times as fast as bentoml": middle(first[theirs.name]) / middle(first[ours.name]),
        "build again, bentopack (s)": middle(again[ours.name]),
        "build again, bentoml (s)": middle(again[theirs.name]),
        "build again, times as fast as bentoml": middle(again[theirs.name]) / middle(again[ours.name]),
        "bentopack --version (s)": middle(version),
        "build again, more than --version (s)": middle(again[ours.name]) - middle(version),
    }


def large_model(ours: Side, rounds: int) -> dict[str, float]:
    """Build again with a model of 2 GiB in the store, and with one of 1 KiB."""
    save = "import bentopack, sys\nbentopack.save_model('iris', bytes(int(sys.argv[1])))\n"
    seconds = {}
    for name, size in (("1 KiB", 1 << 10), ("2 GiB", LARGE)):
        ours.prepare()
        (ours.folder / "save.py").write_text(save)
        ours.run([str(ours.python), "save.py", str(size)])
        ours.build()
        timings = []
        for number in range(rounds):
            (ours.folder / "service.py").open("a").write(f"# edit {number}\n")
            timings.append(ours.build())
        seconds[f"build after an edit, model of {name} (s)"] = statistics.median(timings)
    small, large = seconds.values()
    shutil.rmtree(ours.home)
    return {**seconds, "what 2 GiB cost more than 1 KiB (s)": large - small}


def hashing(rounds: int) -> dict[str, float]:
    """Hash 2 GiB in 8 files with our code and with sha256sum, as many at once as there are processors."""
    folder = WORK / "hashed"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number}.bin" for number in range(8)]
    for path in files:
        if not path.exists():
            path.write_bytes(os.urandom(LARGE // 8))

    def ours() -> None:
        from bentopack._fs import describe_files

        describe_files((path.name, path) for path in files)

    def theirs() -> None:
        listed = "\0".join(map(str, files)).encode()
        command = ["xargs", "-0", "-n", "1", "-P", str(os.cpu_count()), "sha256sum"]
        subprocess.run(command, input=listed, stdout=subprocess.DEVNULL, check=True)

    rates: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for name, work in (("ours", ours), ("theirs", theirs)):
            rates[name].append(LARGE / timed(work, files) / 1e6)
    shutil.rmtree(folder)
    middle = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "hashing 2 GiB cold, bentopack (MB/s)": middle["ours"],
        "hashing 2 GiB cold, sha256sum in parallel (MB/s)": middle["theirs"],
        "hashing, share of sha256sum": middle["ours"] / middle["theirs"],
    }


def timed(work: Callable[[], None], files: list[Path]) -> float:
    """Time some work on files that are on the disk and not in its cache."""
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peer(requirement: str) -> Path:
    """The Python of a peer's own environment, made at the first run."""
    folder = WORK / "peers" / requirement.partition("=")[0]
    python = folder / "bin/python"
    if not (folder / "done").exists():
        print(f"making the environment of {requirement}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", requirement, "scikit-learn", "numpy"], check=True)
        (folder / "done").touch()
    return python


if __name__ == "__main__":
    main()
