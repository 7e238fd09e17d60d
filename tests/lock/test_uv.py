"""uv as the resolver: any target, the same packages as pip, the same kind of answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack._report import Silent
from bentopack.bento.runtime import write_runtime
from bentopack.errors import LockError
from bentopack.lock.pip_file import read_requirements
from bentopack.lock.pip_tools import PipToolsResolver
from bentopack.lock.resolver import Request, Target, host_target
from bentopack.lock.uv import UvResolver


def request(tmp_path: Path, *lines: str) -> Request:
    return Request(lines=lines, files=(), wheels=(), runtime=write_runtime(tmp_path))


def test_both_resolvers_agree(tmp_path: Path) -> None:
    """For the machine it runs on, uv locks the packages, versions and hashes that pip-tools locks."""
    asked = request(tmp_path, "iniconfig==2.0.0")
    ours = {p.name: p for p in UvResolver().resolve(asked, host_target(), Silent())}
    theirs = {p.name: p for p in PipToolsResolver().resolve(asked, host_target(), Silent())}
    assert {name: p.version for name, p in ours.items()} == {name: p.version for name, p in theirs.items()}
    assert ours["iniconfig"].hashes == theirs["iniconfig"].hashes
    assert "bentopack" not in ours


@pytest.mark.parametrize("python", ["3.10", "3.13"])
@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_any_target_is_locked_from_this_machine(tmp_path: Path, python: str, platform: str) -> None:
    """An image of another architecture and Python is locked here, with what that Python needs."""
    asked = request(tmp_path, "numpy", "exceptiongroup ; python_version < '3.11'")
    packages = {p.name: p for p in UvResolver().resolve(asked, Target(python, platform), Silent())}
    assert packages["numpy"].hashes
    assert ("exceptiongroup" in packages) == (python == "3.10")


def test_what_cannot_be_resolved_is_explained(tmp_path: Path) -> None:
    """uv's own explanation of a conflict is shown whole, without our temporary files."""
    with pytest.raises(LockError, match="iniconfig==999") as error:
        UvResolver().resolve(request(tmp_path, "iniconfig==999"), host_target(), Silent())
    assert "requirements.in" not in str(error.value)
    assert "bentopack-lock" not in str(error.value)


def test_another_platform_is_refused(tmp_path: Path) -> None:
    """A platform that no image has is named."""
    with pytest.raises(LockError, match="windows/amd64"):
        UvResolver().resolve(request(tmp_path), Target("3.11", "windows/amd64"), Silent())


def test_hashes_of_a_requirements_file_narrow_the_lock(tmp_path: Path) -> None:
    """A --hash that the user gives is the only file that may be installed, and one that fits nothing is told."""
    good = "sha256:b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374"

    def resolve(value: str) -> dict[str, tuple[str, ...]]:
        (tmp_path / "r.txt").write_text(f"iniconfig==2.0.0 --hash={value}\n")
        files = read_requirements(tmp_path / "r.txt", tmp_path)
        asked = Request(lines=(), files=files, wheels=(), runtime=write_runtime(tmp_path))
        return {p.name: p.hashes for p in UvResolver().resolve(asked, host_target(), Silent())}

    assert resolve(good)["iniconfig"] == (good,)
    with pytest.raises(LockError, match=r"iniconfig 2\.0\.0 has none of the hashes"):
        resolve(f"sha256:{'0' * 64}")
