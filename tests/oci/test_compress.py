"""Compression on all cores."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bentopack.errors import UsageError
from bentopack.oci.compress import GZIP, Compression, gzipped, zstd


def unframed(packed: bytes) -> bytes:
    """What the frames of a zstd file hold."""
    return zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read()


BOTH = pytest.mark.parametrize(
    ("compression", "unpack"), [(GZIP, gzip.decompress), (zstd(), unframed)], ids=["gzip", "zstd"]
)


@BOTH
@settings(max_examples=20, deadline=None)
@given(pieces=st.lists(st.binary(max_size=300_000), max_size=12))
def test_its_reader_reads_it(compression: Compression, unpack: Callable[[bytes], bytes], pieces: list[bytes]) -> None:
    """Whatever comes in comes out, and where it was cut does not matter."""
    whole = b"".join(pieces)
    packed = b"".join(compression.compress(pieces))
    assert unpack(packed) == whole
    assert packed == b"".join(compression.compress([whole]))


@BOTH
@pytest.mark.parametrize("cores", [1, 7])
def test_the_number_of_cores_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, compression: Compression, unpack: Callable[[bytes], bytes], cores: int
) -> None:
    """Each machine gives the same bytes."""
    content = os.urandom(1 << 20) + b"text " * 1_000_000
    here = b"".join(compression.compress([content]))
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert b"".join(compression.compress([content])) == here
    assert unpack(here) == content


def test_the_same_bytes_on_every_machine() -> None:
    """The compressor comes with its package, so this digest holds on any system and processor.

    Where it changes, all images change: only a new release in pyproject.toml may do that.
    """
    words = [hashlib.sha256(bytes([each])).hexdigest()[:each] for each in range(64)]
    content = " ".join(words[(each * each + each // 7) % 64] for each in range(80_000)).encode()
    packed = b"".join(gzipped([content]))
    assert len(content) > 2 << 20
    assert hashlib.sha256(packed).hexdigest() == "a060544aa7df8e61cd1fc2eef68169124f2c9cd4e30769e87c39dc8f05df8946"


def test_the_header_tells_nothing() -> None:
    """No name, no time, no system."""
    assert next(gzipped([b""]))[:10] == bytes.fromhex("1f8b08000000000000ff")


def test_a_compressor_is_named_with_its_release() -> None:
    """Another release may give other bytes: layers of both are told apart."""
    library = ".".join(map(str, zstandard.ZSTD_VERSION))
    assert zstd().compressor == f"zstd-3 zstandard {zstandard.__version__} libzstd {library}"


def test_without_its_package_zstd_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UsageError, match=r'pip install "bentopack\[zstd\]"'):
        zstd()
