"""The lock as a file, and when it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack.errors import LockError
from bentopack.lock.lockfile import Lock, LockedEnvironment, checksum_of, read_lock, write_lock
from bentopack.lock.make import LockInputs, fresh_lock
from bentopack.lock.resolver import LockedPackage, Request, Target
from tests.doubles import FixedResolver, Recorder


def a_lock() -> Lock:
    inputs = {"python": "3.11", "python.packages": ["numpy"]}
    package = LockedPackage(name="numpy", version="2.1.0", hashes=("sha256:aa",))
    return Lock(
        format=1,
        python="3.11",
        inputs=inputs,
        checksum=checksum_of(inputs),
        models=(),
        variants={"cpu": {"linux/amd64": LockedEnvironment(packages=(package,))}},
    )


def inputs(tmp_path: Path, *packages: str) -> LockInputs:
    request = Request(lines=packages, files=(), wheels=(), runtime=tmp_path / "runtime.whl")
    return LockInputs(request, Target("3.11", "linux/amd64"), ("cpu",), {"python.packages": list(packages)})


def test_a_lock_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """What is written is what is read, and the same lock is the same text."""
    path = tmp_path / "bentofile.lock"
    write_lock(path, a_lock())
    first = path.read_bytes()
    assert read_lock(path) == a_lock()
    write_lock(path, a_lock())
    assert path.read_bytes() == first


def test_no_lock_is_none(tmp_path: Path) -> None:
    """A project that was never locked has none."""
    assert read_lock(tmp_path / "bentofile.lock") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format: 1\npython: [", "cannot be read as a lock"),
        ("- 1\n", "cannot be read as a lock"),
        ("\xff", "cannot be read as a lock"),
        ("format: 2\n", "has format 2; this bentopack reads up to 1"),
        ("{}", "cannot be read as a lock"),
    ],
)
def test_a_damaged_lock_is_told(tmp_path: Path, text: str, message: str) -> None:
    """What is no lock, or one of a later format, is one error that says what to do."""
    path = tmp_path / "bentofile.lock"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(LockError, match=message) as error:
        read_lock(path)
    assert error.value.hint


def test_inputs_changed_by_hand_are_told(tmp_path: Path) -> None:
    """A lock whose inputs were edited does not pass for one that was made from them."""
    path = tmp_path / "bentofile.lock"
    write_lock(path, a_lock())
    path.write_text(path.read_text().replace("- numpy\n", "- pandas\n"))
    with pytest.raises(LockError, match="was changed by hand"):
        read_lock(path)


def test_a_lock_holds_until_its_inputs_change(tmp_path: Path) -> None:
    """The resolver is asked for the first lock and when the inputs changed, and the step says which of them."""
    path, resolver, recorder = tmp_path / "bentofile.lock", FixedResolver(), Recorder()
    write_lock(path, fresh_lock(path, inputs(tmp_path, "numpy"), (), resolver, recorder))
    fresh_lock(path, inputs(tmp_path, "numpy"), (), resolver, recorder)
    assert len(resolver.asked) == 1
    fresh_lock(path, inputs(tmp_path, "pandas"), (), resolver, recorder)
    assert len(resolver.asked) == 2
    assert recorder.steps[-1] == "resolving the requirements (python.packages changed)"
