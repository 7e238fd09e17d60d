"""What is found in the image below, without running it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bentopack._fs import EPOCH
from bentopack.image.below import find_interpreter
from bentopack.image.validate import PlanError
from bentopack.oci.blobs import Blobs
from bentopack.oci.content import canonical
from bentopack.oci.image import Image, Part, make_image
from bentopack.oci.layers import pack
from bentopack.oci.tar import Entry


def base(blobs: Blobs, layers: Sequence[Sequence[str]], version: str = "", step: str = "base") -> Image:
    """An image of layers with these files in them."""
    parts = []
    for names in layers:
        packed = pack(blobs, [Entry(name, source=b"") for name in names], time=EPOCH)
        parts.append(Part(packed, lambda digest=packed.descriptor.digest: blobs.stream(digest)))  # type: ignore[misc]
    nothing = Image((), canonical({"rootfs": {"type": "layers", "diff_ids": []}}), b"")
    settings = {"Env": [f"PYTHON_VERSION={version}"]} if version else {}
    told = [step] * len(parts)
    return make_image(
        nothing, parts, settings, platform="linux/amd64", history=told, created="1980-01-01T00:00:00Z", annotations={}
    )


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ([["usr/bin/python3.11", "usr/lib/x86_64-linux-gnu/libc.so.6"]], "/usr/bin/python3.11"),
        ([["usr/bin/python3.11"], ["usr/local/bin/python3.11"]], "/usr/local/bin/python3.11"),
        ([["usr/local/bin/python3.11", "usr/bin/python3.11"], ["usr/local/bin/.wh.python3.11"]], "/usr/bin/python3.11"),
        ([["usr/bin/python3.11", "lib/x86_64-linux-gnu/libc-2.28.so"]], "/usr/bin/python3.11"),
        ([["usr/bin/python3.11", "lib/ld-musl-x86_64.so.1"], ["lib64/libc.so.6"]], "/usr/bin/python3.11"),
    ],
)
def test_where_its_python_is(layers: list[list[str]], found: str, tmp_path: Path) -> None:
    """In the uppermost layer that says something of it."""
    blobs = Blobs(tmp_path)
    assert find_interpreter(base(blobs, layers), "3.11", blobs, "mine") == found


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["usr/bin/python3.12"], "has no Python 3.11"),
        (["usr/bin/python3.11", "lib/ld-musl-x86_64.so.1"], "has musl, and wheels are locked for glibc 2.28"),
        (
            ["usr/bin/python3.11", "lib64/libc-2.17.so"],
            "has glibc 2.17, and wheels are locked for",
        ),
    ],
)
def test_a_base_that_wheels_do_not_run_on(names: list[str], why: str, tmp_path: Path) -> None:
    """It is refused before an image is made that would not start."""
    blobs = Blobs(tmp_path)
    for _ in range(2):  # what was found is remembered
        with pytest.raises(PlanError, match=why):
            find_interpreter(base(blobs, [names]), "3.11", blobs, "mine")


def test_official_images_say_it_themselves(tmp_path: Path) -> None:
    """Their layers are not read; those on Alpine are told by how they were made."""
    blobs = Blobs(tmp_path)
    assert find_interpreter(base(blobs, [[]], "3.11.9"), "3.11", blobs, "x") == "/usr/local/bin/python3.11"
    alpine = base(blobs, [["a"]], "3.11.9", "RUN apk add --no-cache tzdata # buildkit")
    with pytest.raises(PlanError, match="has musl"):
        find_interpreter(alpine, "3.11", blobs, "x")
