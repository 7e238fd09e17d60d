"""What an image costs: the first one, one after an edit, its size; against BentoML's, on the same engine and base.

    python bench/image.py [--rounds 3] [--model-mb 1024] [--json FILE]

Both tools make the image of the same scikit-learn service. "First" is without any layer, cache mount or package of an
earlier build, and with the base at hand; "after an edit" is one changed line of the service, built and containerized.
The base is ``BENTOPACK_TEST_BASE_IMAGE``, or what ``tests/base_image.py`` gives. It needs a Docker engine whose caches
may be emptied.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.build import Side, sides  # noqa: E402 - this file is a script

BASE = "bentopack-bench/base:1"
# BentoML calls pip as the official Python images have it, and its uv has to be told whom the base trusts.
DOCKERFILE = """\
FROM {base}
RUN python3 -m venv /opt/python
ENV PATH=/opt/python/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
"""
SAVE = {
    "bentopack": "import bentopack, os\nbentopack.save_model('large', os.urandom({size}))\n",
    "bentoml": "import bentoml, os\nbentoml.picklable_model.save_model('large', os.urandom({size}))\n",
}


@dataclass(frozen=True)
class Tool:
    """One side, and how it makes an image of the Bento that it built last."""

    side: Side
    image: str
    at_once: bool
    """Whether ``containerize`` builds the Bento too."""

    def build(self) -> float:
        """Build the Bento and its image, and return the seconds."""
        command = [str(self.side.python.with_name(self.side.name)), "containerize"]
        began = time.perf_counter()
        if not self.at_once:
            self.side.build()
            command.append("iris:latest")
        self.side.run([*command, "-t", self.image])
        return time.perf_counter() - began

    def edit(self, number: int) -> float:
        """Change a line of the service, and return the seconds until there is an image of it."""
        with (self.side.folder / "service.py").open("a") as service:
            service.write(f"# edit {number}\n")
        return self.build()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model-mb", type=int, default=1024, help="size of the large model")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    make_base()
    ours, theirs = sides()
    tools = (
        Tool(ours, "bentopack-bench/ours:1", at_once=True),
        Tool(theirs, "bentopack-bench/theirs:1", at_once=False),
    )
    figures = {**first_and_edits(tools, options.rounds), **large(tools, options.rounds, options.model_mb)}
    for name, value in figures.items():
        print(f"| {name} | {value:.3f} |")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


def first_and_edits(tools: tuple[Tool, ...], rounds: int) -> dict[str, float]:
    """First images, and images after an edit, in turn."""
    first: dict[str, list[float]] = {tool.side.name: [] for tool in tools}
    edited: dict[str, list[float]] = {tool.side.name: [] for tool in tools}
    for number in range(rounds):
        for tool in tools:
            prepare(tool)
            empty_caches(tool)
            first[tool.side.name].append(tool.build())
            tool.edit(100 * number)  # what is made once, such as a model's own layer, has been made
            edited[tool.side.name] += [tool.edit(100 * number + each) for each in range(1, rounds + 1)]
    sizes = {tool.side.name: size(tool.image) for tool in tools}
    base = size(BASE)
    return {
        **told("first image", first),
        **told("image after an edit", edited),
        "size of the base (MB)": base / 1e6,
        "size, bentopack (MB)": sizes["bentopack"] / 1e6,
        "size, bentoml (MB)": sizes["bentoml"] / 1e6,
        "size, share of bentoml's": sizes["bentopack"] / sizes["bentoml"],
    }


def large(tools: tuple[Tool, ...], rounds: int, megabytes: int) -> dict[str, float]:
    """Images after an edit, where a large model goes along."""
    edited: dict[str, list[float]] = {}
    for tool in tools:
        prepare(tool)
        add_model(tool, megabytes << 20)
        tool.build()
        tool.edit(0)
        edited[tool.side.name] = [tool.edit(each) for each in range(1, rounds + 1)]
    return told(f"image after an edit, a model of {megabytes} MiB beside it", edited)


def told(what: str, seconds: dict[str, list[float]]) -> dict[str, float]:
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        **{f"{what}, {name} (s)": value for name, value in middle.items()},
        f"{what}, times as fast as bentoml": middle["bentoml"] / middle["bentopack"],
    }


def prepare(tool: Tool) -> None:
    """A project with an empty store, on the base of the bench."""
    tool.side.prepare()
    with (tool.side.folder / "bentofile.yaml").open("a") as bentofile:
        bentofile.write(f"docker:\n  base_image: {BASE}\n")


def add_model(tool: Tool, size: int) -> None:
    """Save a model of random bytes, and let the service have it."""
    folder, name = tool.side.folder, tool.side.name
    (folder / "save.py").write_text(SAVE[name].format(size=size))
    tool.side.run([str(tool.side.python), "save.py"])
    service = (folder / "service.py").read_text()
    spelled = {"bentopack": 'bentopack.model("large:latest")', "bentoml": 'bentoml.models.BentoModel("large:latest")'}
    line = next(each for each in service.splitlines() if each.strip().startswith("model = "))
    (folder / "service.py").write_text(service.replace(line, f"{line}\n    large = {spelled[name]}"))


def make_base() -> None:
    """Make the base of both, from the one that tests build on."""
    docker("build", "--tag", BASE, "-", given=DOCKERFILE.format(base=base_image()))


def base_image() -> str:
    """The base that tests build on; made where there is none."""
    command = [sys.executable, str(ROOT / "tests/base_image.py"), "--print"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def empty_caches(tool: Tool) -> None:
    """Forget every layer and cache of a tool's earlier builds."""
    subprocess.run([DOCKER, "image", "rm", "--force", tool.image], capture_output=True, check=False)
    docker("image", "prune", "--force")
    docker("builder", "prune", "--all", "--force")


def size(image: str) -> int:
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))


def docker(*arguments: str, given: str | None = None) -> str:
    done = subprocess.run([DOCKER, *arguments], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"docker {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout.strip()


def builder() -> str:
    """The docker command that can drive BuildKit; BentoML takes the first on PATH, so that its folder comes first."""
    from bentopack.image.client import find_client

    command = find_client(os.environ["PATH"]).command
    os.environ["PATH"] = f"{Path(command).parent}{os.pathsep}{os.environ['PATH']}"
    return command


DOCKER = shutil.which("docker") or "docker"

if __name__ == "__main__":
    DOCKER = builder()
    main()
