"""plan: what an image will be, told before it is built."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import bentopack, done, fails


def plan_of(project: Path, *arguments: str) -> dict[str, object]:
    facts: dict[str, object] = json.loads(done("plan", "--output", "json", *arguments, cwd=project))
    return facts


def reuse(facts: dict[str, object]) -> dict[str, str]:
    layers = facts["layers"]
    assert isinstance(layers, list)
    return {layer["kind"]: layer["reuse"] for layer in layers}


def test_a_plan_tells_base_and_layers(project: Path) -> None:
    """The base and why, each layer with its key, who runs what: without an engine, for people and for scripts."""
    told = bentopack("plan", cwd=project, env={"DOCKER_HOST": "unix:///nowhere"})
    assert told.returncode == 0, told.stderr
    assert "docker.distro is debian" in told.stdout
    assert "runs /opt/venv/bin/python -m bentopack serve /bento as 10001:0, port 3000" in told.stdout
    facts = plan_of(project)
    layers = facts["layers"]
    assert isinstance(layers, list)
    assert [layer["kind"] for layer in layers] == ["python", "runtime", "manifest", "source"]
    assert all(len(layer["key"]) == 64 and layer["reuse"] is None for layer in layers)
    assert facts["against"] is None


def test_an_edit_redoes_the_source_alone(project: Path) -> None:
    """After an edit of the code, a rebuild reuses every layer but that of the source."""
    first = done("build", "--output", "tag", cwd=project)
    service = project / "service.py"
    service.write_text(service.read_text() + "# edited\n")
    facts = plan_of(project)
    assert facts["against"] == first
    assert reuse(facts) == {"python": "reused", "runtime": "reused", "manifest": "reused", "source": "made anew"}
    told = done("plan", cwd=project)
    assert f"REBUILD AFTER {first}" in told
    assert "linked" not in told
    # Nobody rebuilds the older one from the newer.
    assert plan_of(project, first)["against"] is None


def test_another_base_redoes_what_runs_on_it(project: Path) -> None:
    """Packages are installed on the base: another one redoes them, and what is only copied stays."""
    done("build", cwd=project)
    bentofile = project / "bentofile.yaml"
    bentofile.write_text(bentofile.read_text() + "docker: {distro: ubuntu}\n")
    found = reuse(plan_of(project))
    assert (found["python"], found["runtime"], found["source"]) == ("made anew", "linked", "linked")
    assert "COPY --link" in done("plan", cwd=project)


def test_a_plan_for_a_gpu_says_what_to_add(project: Path) -> None:
    """--gpu without a gpu variant says what to add."""
    fails(bentopack("plan", "--gpu", cwd=project), 3, "no gpu variant", 'cuda_version: "12.4"')


def test_against_what_is_not_there(project: Path) -> None:
    """A tag to compare with that is not stored is told."""
    fails(bentopack("plan", "--against", "echo:none", cwd=project), 4, "echo:none")
