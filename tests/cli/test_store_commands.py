"""build, list, get, delete, export, import: the store from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import bentopack, done, fails


def test_a_bento_goes_through_its_life(project: Path) -> None:
    """Built, listed, shown, exported, deleted, imported: each command finds what the one before left."""
    tag = done("build", "--output", "tag", cwd=project)
    assert tag.startswith("echo:")
    assert done("build", "-o", "tag", cwd=project) == tag
    assert [bento["tag"] for bento in json.loads(done("list", "--output", "json", cwd=project))] == [tag]
    assert tag in done("list", cwd=project)
    shown = json.loads(done("get", "echo", "--output", "json", cwd=project))
    assert shown["manifest"]["service"]["target"] == "service:Echo"
    assert Path(done("get", tag, "-o", "path", cwd=project), "bento.yaml").is_file()
    assert "target: service:Echo" in done("get", tag, cwd=project)
    done("export", tag, "echo.bento", cwd=project)
    assert done("delete", tag, cwd=project) == f"Deleted {tag}"
    assert json.loads(done("list", "-o", "json", cwd=project)) == []
    assert done("import", "echo.bento", cwd=project) == f"Imported {tag}"
    assert done("get", "echo", "-o", "tag", cwd=project) == tag


def test_json_of_a_build_is_for_scripts(project: Path) -> None:
    """``build --output json`` writes one document with what CI needs, and nothing else to standard output."""
    built = json.loads(done("build", "--output", "json", cwd=project))
    assert built["digest"].startswith("sha256:")
    assert Path(built["path"]).is_dir()
    assert built["service"] == "service:Echo"
    assert built["packages"]["cpu"] > 0


def test_a_pipe_sees_no_progress(project: Path) -> None:
    """Where standard error is no terminal, a build that goes well writes nothing there but warnings."""
    result = bentopack("build", cwd=project)
    assert result.returncode == 0
    assert [line for line in result.stderr.splitlines() if not line.startswith("warning: ")] == []


def test_verbose_tells_each_step(project: Path) -> None:
    """``--verbose`` shows the steps, on standard error."""
    assert "assembling the Bento" in bentopack("build", "--verbose", cwd=project).stderr


def test_models_have_commands_too(project: Path) -> None:
    """Models are listed, shown and deleted by tag."""
    import bentopack as package

    saved = package.save_model("table", {"a": 1}, labels={"stage": "dev"})
    assert [model["tag"] for model in json.loads(done("models", "list", "-o", "json", cwd=project))] == [str(saved.tag)]
    assert "stage: dev" in done("models", "get", "table", cwd=project)
    assert done("models", "delete", str(saved.tag), cwd=project) == f"Deleted {saved.tag}"
    assert "no models yet" in bentopack("models", "list", cwd=project).stderr


def test_deleting_several_is_all_or_nothing(project: Path) -> None:
    """Where one of the tags does not exist, none is deleted."""
    tag = done("build", "-o", "tag", cwd=project)
    assert bentopack("delete", tag, "echo:none", cwd=project).returncode == 4
    assert done("get", tag, "-o", "tag", cwd=project) == tag


def test_two_bentos_can_be_compared(project: Path) -> None:
    """``diff`` shows what an edit changed, as a table and as JSON."""
    before = done("build", "-o", "tag", cwd=project)
    with (project / "service.py").open("a") as file:
        file.write("# edited\n")
    after = done("build", "-o", "tag", cwd=project)
    (change,) = json.loads(done("diff", before, after, "-o", "json", cwd=project))
    assert (change["section"], change["name"]) == ("file", "src/service.py")
    assert "src/service.py" in done("diff", before, after, cwd=project)
    assert "no difference" in bentopack("diff", after, after, cwd=project).stderr


def test_archives_can_be_compared(project: Path) -> None:
    """``diff`` takes what was exported as well; a file that is new has nothing but ``-`` before it."""
    done("export", done("build", "-o", "tag", cwd=project), "old.bento", cwd=project)
    with (project / "bentofile.yaml").open("a") as file:
        file.write("labels: {team: x}\n")
    done("export", done("build", "-o", "tag", cwd=project), "new.bento", cwd=project)
    line = done("diff", "old.bento", "new.bento", cwd=project).splitlines()[1]
    assert line.split() == ["setting", "labels.team", "-", "x"]
    assert "no difference" in bentopack("diff", "echo", "new.bento", cwd=project).stderr
    fails(bentopack("diff", "echo", "bentofile.yaml", cwd=project), 9, "bentofile.yaml is not a Bento archive")
