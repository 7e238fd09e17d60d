"""Reading YAML that another may have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bentopack._yaml import MAX_DEPTH, decode
from bentopack.errors import BentopackError, IntegrityError, LockError
from bentopack.lock.lockfile import read_lock
from bentopack.models.store import read_model
from bentopack.spec.manifest import read_manifest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 200_000, "nested more than 50 levels deep \\(line 1\\)"),
        (b"a: &x [1]\nb: *x", "aliases are not expected here \\(line 2\\)"),
        (b"a: 2001-99-99", "month must be in"),
        (b"\xff", "invalid"),
        (b"a: [1", "did not find"),
        (b"a: {b: c}", "Expected `array`"),
    ],
)
def test_what_cannot_be_read_is_one_error(content: bytes, message: str) -> None:
    """Whatever is wrong with a document, its reader gets one kind of error and goes on living."""
    with pytest.raises(msgspec.DecodeError, match=message):
        decode(content, dict[str, list[Any]])


def test_what_nests_no_deeper_than_allowed_is_read() -> None:
    """The guard takes away nothing that a real document has."""
    value = decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, list[Any])
    assert isinstance(value, list)


@pytest.mark.parametrize(
    ("name", "read", "error"),
    [
        ("bento.yaml", read_manifest, IntegrityError),
        ("model.yaml", read_model, IntegrityError),
        ("bentofile.lock", lambda folder: read_lock(folder / "bentofile.lock"), LockError),
    ],
)
def test_no_reader_is_taken_down(tmp_path: Path, name: str, read: Any, error: type[BentopackError]) -> None:
    """The manifest, a model's description and the lock each refuse what would kill the process."""
    (tmp_path / name).write_bytes(b"[" * 200_000)
    with pytest.raises(error, match="nested more than 50 levels deep"):
        read(tmp_path)
