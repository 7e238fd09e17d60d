"""What pins a base."""

from __future__ import annotations

import pytest

from bentopack.image.images import EngineImages
from bentopack.oci.content import digest_of
from tests.oci.scripted import Scripted, one_layer, scripted

__all__ = ["scripted"]  # a fixture
NOWHERE = {"DOCKER_HOST": "unix:///nowhere", "DOCKER_CONFIG": "/nowhere"}


def test_a_registry_tells_the_digest_without_an_engine(scripted: Scripted) -> None:
    """It is asked once, and nothing is fetched."""
    image = one_layer()
    scripted.manifests["3.11"] = (image.descriptor.media_type, image.manifest)
    locked = EngineImages(NOWHERE).pin(f"{scripted.address}/team/python:3.11")
    assert (locked.digest, locked.unpinned) == (digest_of(image.manifest), None)
    assert {method for method, *_ in scripted.asked} <= {"HEAD", "GET"}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (404, "does not have it"),
        (401, "refuses this user; log in with `docker login`"),
        (503, "cannot be reached"),
        (None, "cannot be reached"),
    ],
)
def test_a_missing_digest_is_told_without_this_machines_network(
    scripted: Scripted, status: int | None, why: str
) -> None:
    """The reason stands in a lock that is committed: it names the registry, and no address of this network."""
    registry = scripted.address if status else "registry.invalid"
    scripted.answers = [(status or 200, {})] * 3
    locked = EngineImages(NOWHERE).pin(f"{registry}/team/python:3.11")
    assert (locked.digest, locked.unpinned) == (None, f"the registry {registry} {why}")
