"""Blobs that another repository of the same registry has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bentopack.oci.content import LAYER, describe, digest_of
from bentopack.oci.image import Image, Part
from bentopack.oci.reference import parse_reference
from bentopack.oci.registry import Content, Registries

from .scripted import Handler, Scripted, log_in, one_layer, registries, scripted

__all__ = ["registries", "scripted"]  # fixtures


def test_a_layer_of_a_repository_beside_is_mounted(scripted: Scripted, registries: Registries) -> None:
    """It is never read."""
    content = b"of the base"
    scripted.elsewhere[digest_of(content)] = content

    def unread() -> Iterator[bytes]:
        raise AssertionError("a layer that can be mounted was read")

    image, beside = one_layer(content), f"{scripted.address}/team/base"
    part = Part(image.parts[0].layer, unread, beside)
    sent = registries.push(
        Image((part,), image.config, image.manifest), parse_reference(f"{scripted.address}/team/x:1")
    )
    assert (sent.mounted, sent.sent) == (1, 1)
    assert any("from=team%2Fbase" in path for _, path, _ in scripted.asked)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 500])
def test_where_nothing_is_mounted_it_is_sent(scripted: Scripted, registries: Registries, status: int) -> None:
    """Whatever way a registry has of refusing; where that is no matter of one layer, it is asked once."""

    def refuses(handler: Handler) -> bool:
        if "mount=" in handler.path:
            handler.answer(status, b"", {})
        return "mount=" in handler.path

    scripted.first = refuses
    reference, beside = parse_reference(f"{scripted.address}/team/x:1"), f"{scripted.address}/team/base"
    contents = [
        Content(describe(LAYER, each), partial(iter, [each]), beside) for each in (b"a" * 9, b"b" * 9, b"c" * 9)
    ]
    for each in contents:
        assert registries.send([each], reference).sent == 1
    assert len(scripted.blobs) == 3
    assert len([path for _, path, _ in scripted.asked if "mount=" in path]) == (3 if status == 404 else 1)


def test_a_mount_has_rights_for_both_repositories(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """The one that has the blob, and the one that gets it: a registry with tokens wants to see both."""
    scripted.login = "scoped"
    log_in(tmp_path, scripted.address)
    content = b"of the base"
    scripted.elsewhere[digest_of(content)] = content
    image = one_layer(content, f"{scripted.address}/team/base")
    sent = registries.push(image, parse_reference(f"{scripted.address}/team/x:1"))
    assert (sent.mounted, sent.sent) == (1, 1)
    assert any(path.count("scope=") == 2 for _, path, _ in scripted.asked)
