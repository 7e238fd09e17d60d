"""Each example, from its source to a container: what a user would do, with real parts."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import done
from tests.integration.conftest import RunImage, docker
from tests.integration.serving import Answer, Call, ask, running

EXAMPLES = Path(__file__).parents[2] / "examples"


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


FLOWERS = {"flowers": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}
CALLS: dict[str, list[Call]] = {
    "iris": [
        Call("/classify", as_json(FLOWERS)),
        Call("/probabilities", as_json(FLOWERS)),
        Call("/classify", as_json({"flowers": [[1, 2, 3]]})),
        Call("/classify", b'{"flowers": [[1'),
    ],
    "fastapi_app": [Call("/convert", as_json({"celsius": 21})), Call("/convert", as_json({"celsius": "warm"}))],
    "plain_python": [
        Call("/summarize", as_json({"text": "to be or not to be", "top": 2})),
        Call("/shout", b"hello", "text/plain"),
        Call("/digest", b"\x00\xff", "application/octet-stream"),
        Call("/summarize", as_json({"text": 1})),
    ],
}
EXPECTED: dict[str, list[tuple[int, object]]] = {
    "iris": [(200, ["setosa", "virginica"])],
    "fastapi_app": [(200, {"fahrenheit": 69.8})],
    "plain_python": [
        (200, {"words": 6, "characters": 18, "commonest": ["to", "be"]}),
        (200, "HELLO"),
        (200, hashlib.sha256(b"\x00\xff").hexdigest()),
    ],
}


@dataclass(frozen=True)
class Example:
    """An example in a folder of its own, built."""

    name: str
    folder: Path
    tag: str

    def check(self, answers: list[Answer]) -> None:
        """Compare with what is known, and see that bad input is refused with the field named."""
        for answer, (status, value) in zip(answers, EXPECTED[self.name], strict=False):
            text = answer.body.decode()
            assert (answer.status, json.loads(text) if "json" in answer.media_type else text) == (status, value)
        assert answers[-1].status in range(400, 500)


@pytest.fixture(scope="module", params=sorted(CALLS))
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Train where there is something to train, and build, as the example's README says."""
    folder = tmp_path_factory.mktemp(request.param)
    patch = pytest.MonkeyPatch()
    request.addfinalizer(patch.undo)
    patch.setenv("BENTOPACK_HOME", str(folder / "home"))
    project = folder / "project"
    shutil.copytree(EXAMPLES / request.param, project, ignore=shutil.ignore_patterns("__pycache__", "bentofile.lock"))
    if (project / "train.py").exists():
        subprocess.run([sys.executable, "train.py"], cwd=project, check=True)
    return Example(request.param, project, done("build", "--output", "tag", cwd=project))


def test_a_project_serves_from_its_folder(example: Example) -> None:
    """``bentopack run`` in the project's folder answers as the example says, with what is installed here."""
    with running(cwd=example.folder) as url:
        example.check(ask(url, CALLS[example.name]))


def test_the_bento_answers_alike_here_and_in_a_container(
    example: Example, run_image: RunImage, base_image: str
) -> None:
    """The stored Bento in its locked environment and its image in a hardened container give equal answers."""
    with running(example.tag, cwd=example.folder) as url:
        here = ask(url, CALLS[example.name])
    example.check(here)
    image = f"bentopack-test/{example.tag}"
    facts = json.loads(
        done("containerize", example.tag, "-t", image, "--base-image", base_image, "-o", "json", cwd=example.folder)
    )
    assert facts["image"] == image
    try:
        with run_image(image) as container:
            assert ask(container.url, CALLS[example.name]) == here
            docker("exec", container.id, "/opt/venv/bin/python", "-m", "bentopack.serve.healthcheck")
            assert container.stop() == 0, container.logs()
    finally:
        docker("image", "rm", "--force", image)


def test_building_again_gives_the_same_tag(example: Example) -> None:
    """Two builds of one tree give one tag."""
    assert done("build", "--output", "tag", cwd=example.folder) == example.tag
