"""Compression on all cores."""

from __future__ import annotations

import gzip
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentopack.oci.compress import gzipped


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=300_000), max_size=12))
def test_gzip_reads_it(pieces: list[bytes]) -> None:
    """Whatever comes in comes out, and where it was cut does not matter."""
    whole = b"".join(pieces)
    packed = b"".join(gzipped(pieces))
    assert gzip.decompress(packed) == whole
    assert packed == b"".join(gzipped([whole]))


@pytest.mark.parametrize("cores", [1, 7])
def test_the_number_of_cores_changes_nothing(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    """Each machine gives the same bytes."""
    content = os.urandom(1 << 20) + b"text " * 1_000_000
    here = b"".join(gzipped([content]))
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert b"".join(gzipped([content])) == here


def test_the_header_tells_nothing() -> None:
    """No name, no time, no system."""
    assert next(gzipped([b""])) == bytes.fromhex("1f8b08000000000000ff")
