"""What pip-compile writes, and what it says when it cannot."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from bentopack._fs import sha256_file
from bentopack._report import Silent
from bentopack.bento.runtime import write_runtime
from bentopack.errors import LockError
from bentopack.lock.compiled import parse
from bentopack.lock.pip_file import read_requirements
from bentopack.lock.pip_tools import PipToolsResolver
from bentopack.lock.process import explain, run
from bentopack.lock.resolver import Indexes, Request, Target, host_target
from bentopack.lock.wheels import bundled, local_wheel, wheels_in
from tests.doubles import Recorder, write_files
from tests.lock.wheel import write_wheel

OUTPUT = """\
# a comment
numpy==2.1.0 \\
    --hash=sha256:bb \\
    --hash=sha256:aa
Foo.Bar==1.0 ; python_version < "3.12" \\
    --hash=sha256:cc
thing @ https://user:word@example.org/thing-1.0-py3-none-any.whl \\
    --hash=sha256:dd
"""


def test_each_requirement_is_read_with_its_hashes() -> None:
    """Names are normalised, hashes sorted, markers and URLs kept, without credentials."""
    numpy, foo, thing = parse(OUTPUT)
    assert (numpy.name, numpy.version, numpy.hashes) == ("numpy", "2.1.0", ("sha256:aa", "sha256:bb"))
    assert (foo.name, foo.marker) == ("foo-bar", 'python_version < "3.12"')
    assert (thing.name, thing.url) == ("thing", "https://example.org/thing-1.0-py3-none-any.whl")


@pytest.mark.parametrize("line", ["-e ./pkg", "--pre", "numpy", "numpy>=1", "./thing.whl", "https://example.org/x.whl"])
def test_no_line_of_the_answer_is_passed_over(line: str) -> None:
    """A package cannot vanish: what is not understood in pip-compile's answer is an error."""
    with pytest.raises(LockError, match="a line that is no package"):
        list(parse(f"a==1 --hash=sha256:aa\n{line}\n"))


def test_an_option_that_pip_lacks_is_corrected_where_it_stands(tmp_path: Path) -> None:
    """What pip does not know of python.pip_args is told to be corrected there."""
    runtime = write_wheel(tmp_path / "bentopack-0.0-py3-none-any.whl", "bentopack", "0.0")
    request = Request((), (), (), runtime, Indexes(no_index=True, pip_args=("--foo",)))
    with pytest.raises(LockError, match="no such option: --foo") as error:
        PipToolsResolver().resolve(request, host_target(), Recorder())
    assert str(error.value.hint).startswith("correct python.pip_args")


def test_a_file_that_is_only_named_like_a_wheel_is_told(tmp_path: Path) -> None:
    """A wheel that is damaged is named, and nothing else is said to be wrong."""
    junk = tmp_path / "junk-1.0-py3-none-any.whl"
    junk.write_bytes(b"junk")
    with pytest.raises(LockError, match=r"junk-1.0-py3-none-any.whl is not a wheel") as error:
        local_wheel(junk)
    assert error.value.hint == "build junk 1.0 again"


def test_an_explanation_has_no_traceback() -> None:
    """Of a failed resolution pip's own words are kept; the traceback and our temporary files are not."""
    said = [
        "  ERROR: Could not find a version that satisfies the requirement x==9 "
        "(from -r /tmp/bentopack-lock-ab/requirements.in (line 2)) (from versions: 1, 2, 3, 4, 5, 6, 7)",
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in <module>',
        "pip._internal.exceptions.DistributionNotFound: No matching distribution found for x==9",
    ]
    assert explain(said) == (
        "  ERROR: Could not find a version that satisfies the requirement x==9 (newest versions: 3, 4, 5, 6, 7)\n"
        "  No matching distribution found for x==9"
    )


def test_another_target_than_the_host_is_refused(tmp_path: Path) -> None:
    """pip-tools resolves for the machine it runs on, and says so instead of locking the wrong packages."""
    request = Request(lines=(), files=(), wheels=(), runtime=tmp_path / "none.whl")
    with pytest.raises(LockError, match=r"the image has Python 3\.7 on linux/s390x"):
        PipToolsResolver().resolve(request, Target("3.7", "linux/s390x"), Silent())


def test_a_real_index_gives_hashed_packages_and_the_runtimes_own(tmp_path: Path) -> None:
    """A real resolution locks what was asked for and what the runtime needs, each with hashes, and not the runtime."""
    request = Request(lines=("iniconfig==2.0.0", "bentopack"), files=(), wheels=(), runtime=write_runtime(tmp_path))
    packages = {p.name: p for p in PipToolsResolver().resolve(request, host_target(), Silent())}
    assert packages["iniconfig"].version == "2.0.0"
    assert {"uvicorn", "msgspec", "starlette"} <= packages.keys()
    assert "bentopack" not in packages
    assert all(p.hashes and all(h.startswith("sha256:") for h in p.hashes) for p in packages.values())


def test_what_cannot_be_resolved_is_explained(tmp_path: Path) -> None:
    """A requirement that no index has is named, without a traceback."""
    request = Request(
        lines=("iniconfig==999",), files=(), wheels=(), runtime=write_runtime(tmp_path), indexes=Indexes()
    )
    with pytest.raises(LockError, match="iniconfig==999") as error:
        PipToolsResolver().resolve(request, host_target(), Silent())
    assert "Traceback" not in str(error.value)
    assert "requirements.in" not in str(error.value)


def test_a_wheel_of_a_local_folder_is_locked_to_its_one_file(tmp_path: Path) -> None:
    """A wheel that find_links has on this machine is what gets locked, by one hash; the folder's name is nowhere."""
    folder = tmp_path / "a house"
    folder.mkdir()
    wheel = write_wheel(folder / "tiny_thing-1.0-py3-none-any.whl", "tiny-thing", "1.0")
    write_wheel(folder / "tiny_thing-2.0-cp27-none-win32.whl", "tiny-thing", "2.0")
    request = Request(
        lines=("tiny-thing",),
        files=(),
        wheels=(),
        runtime=write_runtime(tmp_path),
        indexes=Indexes(folders=(folder,)),
        wheelhouse=wheels_in([folder]),
    )
    packages = {p.name: p for p in PipToolsResolver().resolve(request, host_target(), Silent())}
    assert packages["tiny-thing"].version == "1.0"
    assert packages["tiny-thing"].hashes == (f"sha256:{sha256_file(wheel)}",)
    assert [each.path for each in bundled(tuple(packages.values()), request)] == [wheel]


def test_requirements_files_limit_and_add(tmp_path: Path) -> None:
    """What files require is resolved, and what they only limit is not installed."""
    write_files(tmp_path, {"r.txt": "-c c.txt\n--prefer-binary\niniconfig\n", "c.txt": "iniconfig<2.1\ntomli==2.0.1\n"})
    files = read_requirements(tmp_path / "r.txt", tmp_path)
    request = Request(lines=(), files=files, wheels=(), runtime=write_runtime(tmp_path))
    packages = {p.name: p.version for p in PipToolsResolver().resolve(request, host_target(), Silent())}
    assert packages["iniconfig"].startswith("2.0")
    assert "tomli" not in packages


class Interrupted(Recorder):
    """A reporter in whose middle the process is told to stop."""

    def output(self, line: str) -> None:
        super().output(line)
        raise KeyboardInterrupt


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
def test_a_cancelled_resolver_leaves_nothing_running(tmp_path: Path) -> None:
    """The resolver and the builds that it started die with a cancelled command."""
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    recorder = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run([sys.executable, "-c", code], tmp_path, [], recorder)
    build = int(recorder.lines[0])
    deadline = time.monotonic() + 10
    while is_running(build) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(build)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")  # one that nobody waits for is dead all the same
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
