"""The Python environment that a Bento describes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bentopack._fs import sha256_file
from bentopack._report import Reporter
from bentopack.bento.build import Tools, build_bento
from bentopack.bento.options import BuildOptions
from bentopack.bento.project import read_project
from bentopack.bento.store import BuiltBento
from bentopack.lock.resolver import LockedPackage, Request, Target
from tests.doubles import FixedImages, Recorder, write_files
from tests.echo import echo_project
from tests.lock.wheel import write_wheel

WHEEL = "tiny_thing-1.0-py3-none-any.whl"


class WheelhouseResolver:
    """Takes all that lies in the local folders, and there is no index."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def resolve(self, request: Request, target: Target, reporter: Reporter) -> tuple[LockedPackage, ...]:
        self.asked.append(request)
        return tuple(
            LockedPackage(name=wheel.name, version=wheel.version, hashes=(f"sha256:{wheel.sha256}",))
            for wheel in request.wheelhouse
        )


def build(folder: Path, resolver: WheelhouseResolver) -> BuiltBento:
    tools = Tools(resolver, FixedImages(), Recorder())
    return build_bento(read_project(folder), BuildOptions("linux/amd64"), tools)


@pytest.mark.parametrize(
    ("python", "requirements"),
    [
        ("{find_links: house, no_index: true}", ""),
        ("{requirements_txt: reqs/r.txt}", "--no-index\n-f ../house\ntiny-thing\n"),
    ],
)
def test_a_bento_with_wheels_of_a_local_folder_installs_elsewhere(
    home: Path, tmp_path: Path, python: str, requirements: str
) -> None:
    """What find_links has on this machine goes along, hashed, so that pip needs neither the folder nor an index."""
    text = f"service: service:Echo\ninclude: [service.py]\npython: {python}\n"
    project = echo_project(tmp_path / "p", bentofile__yaml=text)
    write_files(project, {"reqs/r.txt": requirements, "house/notes.txt": ""})
    wheel = write_wheel(project / "house" / WHEEL, "tiny-thing", "1.0")
    resolver = WheelhouseResolver()
    built = build(project, resolver)
    again = build(project, resolver)
    assert (again.digest, len(resolver.asked)) == (built.digest, 1)
    bundled = built.path / "env/python/cpu/wheels" / WHEEL
    assert sha256_file(bundled) == sha256_file(wheel)
    wheel.unlink()
    lock = built.path / "env/python/cpu/requirements.lock"
    assert {"--no-index", "--find-links wheels", "tiny-thing==1.0 \\"} <= set(lock.read_text().splitlines())
    command = [sys.executable, "-m", "pip", "--isolated", "install", "--target", str(tmp_path / "t"), "-r", str(lock)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "t/tiny_thing-1.0.dist-info").is_dir()


def test_another_wheel_in_the_folder_makes_the_lock_anew(home: Path, tmp_path: Path) -> None:
    """The content of a local folder is an input of the lock, as its name is not."""
    text = "service: service:Echo\ninclude: [service.py]\npython: {find_links: house}\n"
    project = echo_project(tmp_path / "p", bentofile__yaml=text)
    (project / "house").mkdir()
    write_wheel(project / "house" / WHEEL, "tiny-thing", "1.0")
    resolver = WheelhouseResolver()
    build(project, resolver)
    (project / "house").rename(project / "other")
    (project / "bentofile.yaml").write_text(text.replace("house", "other"))
    build(project, resolver)
    assert len(resolver.asked) == 1
    write_wheel(project / "other/more-1.0-py3-none-any.whl", "more", "1.0")
    build(project, resolver)
    assert len(resolver.asked) == 2
