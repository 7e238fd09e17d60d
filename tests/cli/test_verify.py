"""verify: the proof, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import bentopack, done


def test_a_whole_bento_is_proved_wherever_it_lies(project: Path) -> None:
    """By tag, by folder and as an archive the same digest is found."""
    built = json.loads(done("build", "-o", "json", cwd=project))
    done("export", "echo", "echo.bento", cwd=project)
    for target in ("echo", built["tag"], built["path"], "echo.bento"):
        assert json.loads(done("verify", target, "-o", "json", cwd=project)) == {
            "tag": built["tag"],
            "digest": built["digest"],
        }
    assert built["tag"] in done("verify", "echo", cwd=project)


def test_each_difference_is_named(project: Path) -> None:
    """A Bento with a file missing, one added and one changed is refused, and each is named."""
    folder = Path(done("build", "-o", "path", cwd=project))
    (folder / "README.md").unlink()
    (folder / "src/extra.py").touch()
    (folder / "src/service.py").write_text("changed")
    result = bentopack("verify", "echo", cwd=project)
    assert result.returncode == 9
    for said in ("missing: README.md", "added: src/extra.py", "changed: src/service.py"):
        assert said in result.stderr


def test_a_bento_under_anothers_tag_is_told(project: Path) -> None:
    """A folder that is whole, but not the Bento its tag names, is refused."""
    folder = Path(done("build", "-o", "path", cwd=project))
    folder.rename(folder.with_name("0123456789abcdef"))
    result = bentopack("verify", "echo:0123456789abcdef", cwd=project)
    assert result.returncode == 9
    assert f"holds the Bento 'echo:{folder.name}'" in result.stderr
