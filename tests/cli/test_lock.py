"""lock, and build with a lock that must hold, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from bentopack.lock.lockfile import LockedBase, read_lock, sealed, write_lock
from tests.command import bentopack, done

NO_NETWORK = {
    "UV_OFFLINE": "1",
    "PIP_NO_INDEX": "1",
    "DOCKER_HOST": "unix:///nowhere.sock",
    "UV_CACHE_DIR": "/nonexistent",
}


def test_a_fresh_lock_is_enough_without_the_network(project: Path) -> None:
    """With the lock of another machine a build needs neither an index nor a registry."""
    assert done("lock", "--check", "--allow-unpinned", cwd=project) == "bentofile.lock is up to date"
    result = bentopack("build", "--locked", "--allow-unpinned", "-o", "tag", cwd=project, env=NO_NETWORK)
    assert result.returncode == 0, result.stderr


def test_a_stale_lock_is_told_and_refused(project: Path) -> None:
    """``--check`` and ``--locked`` exit with 5 and name what changed; nothing is written."""
    lock = (project / "bentofile.lock").read_bytes()
    with (project / "bentofile.yaml").open("a") as file:
        file.write("python: {packages: [iniconfig]}\n")
    for arguments in (["lock", "--check"], ["build", "--locked"]):
        result = bentopack(*arguments, cwd=project)
        assert result.returncode == 5
        assert "python.packages changed: + iniconfig" in result.stderr
        assert "run `bentopack lock`, look at what it changed" in result.stderr
    told = json.loads(bentopack("lock", "--check", "-o", "json", cwd=project).stdout)
    assert (told["fresh"], told["reasons"]) == (False, ["python.packages changed: + iniconfig"])
    assert (project / "bentofile.lock").read_bytes() == lock


@pytest.mark.parametrize(
    "arguments",
    [
        ["lock", "--check", "--upgrade"],
        ["lock", "--check", "-P", "iniconfig"],
        ["lock", "--allow-unpinned"],
        ["build", "--allow-unpinned"],
    ],
)
def test_options_that_do_not_go_together_are_refused(project: Path, arguments: list[str]) -> None:
    """What would have no effect is a wrong usage, told in one line, and nothing is done."""
    lock = (project / "bentofile.lock").read_bytes()
    result = bentopack(*arguments, cwd=project)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("error: --")
    assert (project / "bentofile.lock").read_bytes() == lock


def test_a_lockfile_is_renewed_by_its_own_tool(project: Path) -> None:
    """--upgrade says who renews what a lockfile holds."""
    (project / "pylock.toml").write_text('lock-version = "1.0"\ncreated-by = "me"\npackages = []\n')
    with (project / "bentofile.yaml").open("a") as file:
        file.write("python: {lockfile: pylock.toml}\n")
    told = bentopack("lock", "--upgrade", cwd=project)
    assert "what pylock.toml holds is renewed by the tool that made it" in told.stderr
    assert told.returncode == 0, told.stderr


def test_locking_adds_platforms_and_upgrades_by_name(project: Path) -> None:
    """A lock can be made for another platform beside the first, and one package of it renewed, kept elsewhere."""
    with (project / "bentofile.yaml").open("a") as file:
        file.write("python: {packages: ['iniconfig<2.1']}\n")
    assert "packages for cpu on linux/arm64" in done("lock", "--platform", "linux/arm64", cwd=project)
    text = (project / "bentofile.lock").read_text()
    assert text.count("iniconfig") >= 2
    (project / "bentofile.yaml").write_text((project / "bentofile.yaml").read_text().replace("<2.1", ">=1"))
    done("lock", cwd=project)
    assert "version: 2.0.0" in (project / "bentofile.lock").read_text()
    done("lock", "--upgrade-package", "iniconfig", cwd=project)
    assert "version: 2.0.0" not in (project / "bentofile.lock").read_text()
    assert done("lock", "--check", "--allow-unpinned", cwd=project) == "bentofile.lock is up to date"


def test_a_base_without_its_digest_is_refused_by_both(project: Path) -> None:
    """``--check`` and ``--locked`` exit with 5 for a base without its digest; --allow-unpinned is for both."""
    lock = read_lock(project / "bentofile.lock")
    assert lock
    base = LockedBase(image="python:3.11-slim", unpinned="no registry answers")
    image = json.dumps({"service": "service:Echo", "docker": {"base_image": base.image}})
    (project / "bentofile.yaml").write_text(image)
    variants = {
        name: {platform: msgspec.structs.replace(found, base=base) for platform, found in platforms.items()}
        for name, platforms in lock.variants.items()
    }
    write_lock(project / "bentofile.lock", sealed(msgspec.structs.replace(lock, variants=variants)))
    for arguments in (["lock", "--check"], ["build", "--locked"]):
        refused = bentopack(*arguments, cwd=project)
        assert refused.returncode == 5
        assert "the base image python:3.11-slim of cpu has no digest: no registry answers" in refused.stderr
        assert "add --allow-unpinned" in refused.stderr
        accepted = bentopack(*arguments, "--allow-unpinned", cwd=project)
        assert accepted.returncode == 0, accepted.stderr
        assert "warning: the base image" in accepted.stderr
    told = json.loads(bentopack("lock", "--check", "-o", "json", cwd=project).stdout)
    reason = "the base image python:3.11-slim of cpu has no digest: no registry answers"
    assert told == {"fresh": True, "reasons": [], "unpinned": [reason]}
