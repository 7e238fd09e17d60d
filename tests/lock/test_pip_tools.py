"""What pip-compile writes, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack._report import Silent
from bentopack.bento.runtime import write_runtime
from bentopack.errors import LockError
from bentopack.lock.pip_tools import PipToolsResolver, explain, host_target, parse
from bentopack.lock.resolver import Indexes, Request, Target

OUTPUT = """\
numpy==2.1.0 \\
    --hash=sha256:bb \\
    --hash=sha256:aa
Foo.Bar==1.0 ; python_version < "3.12" \\
    --hash=sha256:cc
thing @ https://example.org/thing-1.0-py3-none-any.whl \\
    --hash=sha256:dd
"""


def test_each_requirement_is_read_with_its_hashes() -> None:
    """Names are normalised, hashes sorted, markers and URLs kept."""
    numpy, foo, thing = parse(OUTPUT)
    assert (numpy.name, numpy.version, numpy.hashes) == ("numpy", "2.1.0", ("sha256:aa", "sha256:bb"))
    assert (foo.name, foo.marker) == ("foo-bar", 'python_version < "3.12"')
    assert (thing.name, thing.url) == ("thing", "https://example.org/thing-1.0-py3-none-any.whl")


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
