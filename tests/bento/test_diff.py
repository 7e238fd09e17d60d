"""diff: what changed between two Bentos, in their users' words."""

from __future__ import annotations

from pathlib import Path

import bentopack
from bentopack.bento.diff import Change, diff_bentos
from tests.bento.test_build import build
from tests.doubles import FixedImages, FixedResolver
from tests.echo import ECHO, echo_project


def test_a_bento_does_not_differ_from_itself(home: Path, tmp_path: Path) -> None:
    """No difference is no change."""
    built = build(echo_project(tmp_path / "p"))
    assert diff_bentos(built.path, built.path) == []


def test_each_kind_of_change_is_told_once(home: Path, tmp_path: Path) -> None:
    """Packages, models, APIs, settings and source files are told as what they are, and nothing else is."""
    text = ECHO["bentofile.yaml"] + "models: [table]\n"
    saved = bentopack.save_model("table", 1)
    one = build(echo_project(tmp_path / "p", bentofile__yaml=text), FixedResolver({"numpy": "2.0", "scipy": "1.0"}))
    newer = bentopack.save_model("table", 2)
    code = ECHO["service.py"].replace("@bentopack.api\n", "@bentopack.api(max_batch_size=8)\n")
    other = echo_project(tmp_path / "q", bentofile__yaml=text + "labels: {team: x}\n", service__py=code)
    two = build(other, FixedResolver({"numpy": "2.1", "attrs": "25.0"}))
    changes = {(change.section, change.name): change for change in diff_bentos(one.path, two.path)}
    assert set(changes) == {
        ("setting", "labels.team"),
        ("api", "echo.max_batch_size"),
        ("model", "table"),
        ("package", "attrs"),
        ("package", "numpy"),
        ("package", "scipy"),
        ("file", "src/service.py"),
    }
    assert changes["package", "numpy"] == Change("package", "numpy", "2.0", "2.1")
    assert changes["package", "scipy"].after is None
    assert str(saved.tag) in str(changes["model", "table"].before)
    assert str(newer.tag) in str(changes["model", "table"].after)


def test_what_only_the_files_tell_is_told(home: Path, tmp_path: Path) -> None:
    """A setup script that changed, a file made executable, another base: each is named."""
    text = ECHO["bentofile.yaml"] + "docker: {setup_script: setup.sh}\n"
    one = build(echo_project(tmp_path / "p", bentofile__yaml=text, **{"setup.sh": "true\n"}))
    other = echo_project(tmp_path / "q", bentofile__yaml=text, **{"setup.sh": "false\n"})
    (other / "service.py").chmod(0o755)
    two = build(other, images=FixedImages(digest=None))
    changes = {(change.section, change.name): change for change in diff_bentos(one.path, two.path)}
    assert set(changes) == {
        ("file", "env/docker/setup_script"),
        ("file", "src/service.py"),
        ("setting", "variants.cpu.base.digest"),
    }
    code = changes["file", "src/service.py"]
    assert code.after == f"{code.before} executable"
