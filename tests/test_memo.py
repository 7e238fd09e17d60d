"""What is remembered because it follows from its inputs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bentopack._memo import remembered

PACKAGE = Path(__file__).parent.parent / "bentopack"
ASKS = """
from bentopack._memo import remembered
print(remembered("kind", ["a"], lambda: {"made": b"anew"})["made"].decode())
"""


class Maker:
    """Makes one text, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> dict[str, bytes]:
        self.times += 1
        return {"a.txt": b"text"}


def test_the_same_inputs_are_not_made_again(home: Path) -> None:
    """Other inputs are, and so is what comes of another template."""
    make, template = Maker(), home.with_name("template")
    home.mkdir()
    template.write_text("one")
    for _ in range(2):
        assert remembered("kind", ["a", None], make, files=[template]) == {"a.txt": b"text"}
    assert make.times == 1
    remembered("kind", ["a", ""], make, files=[template])
    template.write_text("two")
    remembered("kind", ["a", None], make, files=[template])
    assert make.times == 3


@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2]", b"\xff", b'{"a.txt": "tex', b'{"plan.json": "{}"}'])
def test_what_is_not_as_it_was_written_is_made_again(home: Path, content: bytes) -> None:
    """A memo that somebody changed, or another release wrote, is none."""
    home.mkdir()
    remembered("kind", ["a"], Maker())
    [memo] = (home / "cache/made/kind").iterdir()
    for other in (content, memo.read_bytes().replace(b"text", b"evil")):
        memo.write_bytes(other)
        assert remembered("kind", ["a"], Maker()) == {"a.txt": b"text"}


@pytest.mark.parametrize("changed", ["tag.py", "lock/requirements.py", "image/planner.py"])
def test_changed_code_makes_it_again(home: Path, tmp_path: Path, changed: str) -> None:
    """Of any room: a plan follows from what several of them decide."""
    home.mkdir()
    copy = tmp_path / "copy" / "bentopack"
    for path in PACKAGE.rglob("*.py"):
        target = copy / path.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target) if path.name != Path(changed).name else target.write_bytes(path.read_bytes())
    environment = {**os.environ, "PYTHONPATH": str(copy.parent)}

    def asked(answer: str) -> str:
        code = ASKS.replace("anew", answer)
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    assert [asked("first"), asked("second")] == ["first", "first"]
    (copy / changed).write_text((copy / changed).read_text() + "# changed\n")
    assert asked("third") == "third"
