"""Compiled images, on their way to a file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from threading import Thread

import pytest

from bentopack.image.deliver import write_file
from bentopack.oci.content import CONFIG, canonical, describe, image_manifest
from bentopack.oci.image import Image


@pytest.fixture
def image() -> Image:
    """An image of nothing."""
    config = canonical({"rootfs": {"type": "layers", "diff_ids": []}})
    return Image((), config, image_manifest(describe(CONFIG, config), [], {}))


def is_archive(content: bytes) -> bool:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return "manifest.json" in archive.getnames()


def test_a_file_is_replaced_and_a_link_stays(image: Image, tmp_path: Path) -> None:
    """What it leads to has the archive, with nothing left beside it."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images/real.tar").write_bytes(b"old")
    (tmp_path / "link.tar").symlink_to("images/real.tar")
    write_file(image, tmp_path / "link.tar", ["x:1"])
    assert (tmp_path / "link.tar").is_symlink()
    assert is_archive((tmp_path / "images/real.tar").read_bytes())
    assert len(list((tmp_path / "images").iterdir())) == 1


def test_a_pipe_is_written_to(image: Image, tmp_path: Path) -> None:
    """Whoever reads it gets the archive, and it stays a pipe."""
    os.mkfifo(tmp_path / "pipe")
    writer = Thread(target=write_file, args=(image, tmp_path / "pipe", ["x:1"]))
    writer.start()
    content = (tmp_path / "pipe").read_bytes()
    writer.join()
    assert is_archive(content)
    assert (tmp_path / "pipe").is_fifo()


def test_standard_output_is_written_to() -> None:
    """``--archive /dev/stdout`` is a pipe to the next command."""
    script = """
from pathlib import Path
from bentopack.image.deliver import write_file
from bentopack.oci.image import Image
write_file(Image((), b"{}", b"{}"), Path("/dev/stdout"), ["x:1"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert is_archive(done.stdout)
    assert Path("/dev/stdout").is_symlink()
