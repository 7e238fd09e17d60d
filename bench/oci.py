"""What an image costs without an engine: a first one, one after an edit, nothing new, a large model; in one run.

    python bench/oci.py [--rounds 3] [--model-mb 1024] [--push-mb 4096] [--skip-peer] [--json FILE]

Beside it: BentoML, edit to an image in the local engine; ``docker build`` of our own Dockerfile (warm package caches,
no layer of an earlier build), and ``sha256sum`` over the same model. It needs a Docker engine whose build caches may be
emptied, and Debian's docker-registry, which it runs on loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench import image as images  # noqa: E402 - this file is a script
from bench.build import Side, sides  # noqa: E402
from bench.image import Tool, add_model, docker, make_base, prepare  # noqa: E402

CONFIGURATION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
PORT = 5077
NAME = f"127.0.0.1:{PORT}/bench/iris:1"
# Runs a command, and says on the last line how many KiB it held at most.
MEASURED = """\
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(done.returncode)
"""
LOCAL = "bentopack-bench/compiled:1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model-mb", type=int, default=1024)
    parser.add_argument("--push-mb", type=int, default=4096)
    parser.add_argument("--skip-peer", action="store_true", help="leave BentoML out")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    images.DOCKER = images.builder()
    make_base()
    ours, theirs = sides()
    figures: dict[str, float] = {}

    def tell(found: dict[str, float]) -> None:
        figures.update(found)
        for name, value in found.items():
            print(f"| {name} | {value:.3f} |", flush=True)

    with registry():
        tell(edits(ours, options.rounds))
        tell(with_model(ours, options.rounds, options.model_mb))
        tell(pushed(ours, options.push_mb))
        tell(first(ours, options.rounds))
        if not options.skip_peer:
            tell(
                of_peer(
                    Tool(theirs, "bentopack-bench/theirs:1", at_once=False), options.rounds, options.model_mb, figures
                )
            )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


@contextlib.contextmanager
def registry() -> Iterator[None]:
    """A registry on loopback, with the base in it."""
    with tempfile.TemporaryDirectory(prefix="bentopack-bench-registry-") as folder:
        configuration = Path(folder, "registry.yml")
        configuration.write_text(CONFIGURATION.format(root=folder, port=PORT))
        process = subprocess.Popen(["docker-registry", "serve", configuration], stderr=subprocess.DEVNULL)
        try:
            time.sleep(1)
            docker("tag", images.BASE, base())
            docker("push", base())
            yield
        finally:
            process.terminate()
            process.wait()


def base() -> str:
    return f"127.0.0.1:{PORT}/bench/base:1"


def project(side: Side) -> None:
    """The bench's project, on the base in the registry, locked."""
    side.prepare()
    with (side.folder / "bentofile.yaml").open("a") as bentofile:
        bentofile.write(f"docker:\n  base_image: {base()}\n")
    side.run([str(command(side)), "lock"])


def command(side: Side) -> Path:
    return side.python.with_name("bentopack")


def compiled(side: Side, *arguments: str) -> tuple[float, dict[str, int]]:
    """Containerize without an engine, and return the seconds and what is told."""
    began = time.perf_counter()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            MEASURED,
            str(command(side)),
            "containerize",
            "--backend",
            "oci",
            "-o",
            "json",
            *arguments,
        ],
        cwd=side.folder,
        env=side.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(done.stderr)
    return seconds, {**json.loads(done.stdout), "peak": int(done.stderr.splitlines()[-1])}


def edit(side: Side) -> None:
    with (side.folder / "service.py").open("a") as service:
        service.write(f"# edit {time.time()}\n")


def median(rounds: int, measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(rounds))


def first(side: Side, rounds: int) -> dict[str, float]:
    """A first image in a registry: with wheels in uv's cache alone, with layers of the packages too, and by a build."""
    layers = side.home / "cache" / "oci"
    cold, warm, built = [], [], []
    for _ in range(rounds):
        project(side)
        shutil.rmtree(layers, ignore_errors=True)
        cold.append(compiled(side, "-t", NAME, "--push")[0])
        project(side)
        warm.append(compiled(side, "-t", NAME, "--push")[0])
        bento = subprocess.run(
            [str(command(side)), "build", "--output", "path"],
            cwd=side.folder, env=side.environment, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        docker("builder", "prune", "--force", "--filter", "type=regular")
        began = time.perf_counter()
        subprocess.run(
            [str(command(side)), "containerize", bento, "--backend", "docker", "--no-cache", "-t", NAME, "--push"],
            cwd=side.folder, env=side.environment, capture_output=True, check=True,
        )  # fmt: skip
        built.append(time.perf_counter() - began)
    times = {name: statistics.median(found) for name, found in (("cold", cold), ("warm", warm), ("built", built))}
    return {
        "first image in a registry, no layer made before (s)": times["cold"],
        "first image in a registry, layers of the packages made before (s)": times["warm"],
        "the same by docker build, warm caches of packages (s)": times["built"],
        "times as fast, no layer made before": times["built"] / times["cold"],
        "times as fast, layers of the packages made before": times["built"] / times["warm"],
    }


def edits(side: Side, rounds: int) -> dict[str, float]:
    """Nothing new, and a line edited: to a registry, and into the engine."""
    project(side)
    compiled(side, "-t", NAME, "--push")
    sent = []

    def after_edit() -> float:
        edit(side)
        seconds, told = compiled(side, "-t", NAME, "--push")
        sent.append(told["sent"])
        return seconds

    to_registry = median(rounds + 2, after_edit)
    nothing = median(rounds + 2, lambda: compiled(side, "-t", NAME, "--push")[0])
    return {
        "nothing new (s)": nothing,
        "edit to registry (s)": to_registry,
        "edit to registry, sent (KB)": max(sent) / 1e3,
        "edit to the local engine (s)": _to_engine(side, rounds),
    }


def _to_engine(side: Side, rounds: int) -> float:
    compiled(side, "-t", LOCAL)

    def after_edit() -> float:
        edit(side)
        return compiled(side, "-t", LOCAL)[0]

    return median(rounds + 2, after_edit)


def with_model(side: Side, rounds: int, megabytes: int) -> dict[str, float]:
    """A line edited, with a large model beside it, into the engine."""
    project(side)
    add_model(Tool(side, LOCAL, at_once=True), megabytes << 20)
    return {f"edit to the local engine, {megabytes} MiB model (s)": _to_engine(side, rounds)}


def of_peer(peer: Tool, rounds: int, megabytes: int, ours: dict[str, float]) -> dict[str, float]:
    """BentoML's edit to an image in the local engine."""
    prepare(peer)
    peer.build()
    peer.edit(0)
    small = median(rounds, lambda: peer.edit(int(time.time())))
    add_model(peer, megabytes << 20)
    peer.build()
    large = median(rounds, lambda: peer.edit(int(time.time())))
    return {
        "edit to the local engine, BentoML (s)": small,
        f"edit to the local engine, {megabytes} MiB model, BentoML (s)": large,
        "edit to the local engine, times as fast": small / ours["edit to the local engine (s)"],
        "edit to the local engine, large model, times as fast": large
        / ours[f"edit to the local engine, {megabytes} MiB model (s)"],
    }


def pushed(side: Side, megabytes: int) -> dict[str, float]:
    """A large model, hashed and pushed, beside ``sha256sum`` over the same file; and the memory that it took."""
    project(side)
    compiled(side, "-t", NAME, "--push")
    add_model(Tool(side, LOCAL, at_once=True), megabytes << 20)
    bento = subprocess.run(
        [str(command(side)), "build", "--output", "tag"],
        cwd=side.folder, env=side.environment, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    files = [path for path in (side.home / "models" / "large").rglob("*") if path.is_file()]
    largest = max(files, key=lambda each: each.stat().st_size)
    os.sync()  # the model is still on its way to the disk, which the registry is about to write to
    began = time.perf_counter()
    subprocess.run(["sha256sum", largest], check=True, stdout=subprocess.DEVNULL)
    bare = time.perf_counter() - began
    seconds, told = compiled(side, bento, "-t", NAME, "--push")
    return {
        f"{megabytes} MiB model packed and pushed (s)": seconds,
        f"sha256sum over {megabytes} MiB (s)": bare,
        "packed and pushed, share of sha256sum's speed": bare / seconds,
        "most memory (MiB)": told["peak"] / 1024,
    }


if __name__ == "__main__":
    main()
