"""The labels that lead from an image back."""

from __future__ import annotations

import pytest

from bentopack.bento.origin import Origin
from bentopack.image.labels import bento_labels, epoch_of, rfc3339
from bentopack.image.planner import plan_image
from bentopack.oci.content import ContentError
from bentopack.tag import Tag

from .conftest import Make

TAG = Tag("iris", "1")


def test_labels_lead_to_the_bento_and_its_commit(manifest: Make) -> None:
    """The Bento by tag and digest, its base, its commit and repository; a time only where one is given."""
    plan = plan_image(manifest(), "")
    labels = bento_labels(TAG, "sha256:1", plan, origin=Origin(revision="abc", source="https://example.org/p"))
    assert labels == {
        "org.opencontainers.image.version": "1",
        "org.opencontainers.image.base.name": "python:3.11-slim-bookworm",
        "org.opencontainers.image.revision": "abc",
        "org.opencontainers.image.source": "https://example.org/p",
        "io.bentopack.bento.tag": "iris:1",
        "io.bentopack.bento.digest": "sha256:1",
        "io.bentopack.variant": "cpu",
    }
    made = bento_labels(TAG, "sha256:1", plan, epoch=1_700_000_000)
    assert made["org.opencontainers.image.created"] == "2023-11-14T22:13:20Z"


def test_the_bentofiles_labels_win(manifest: Make) -> None:
    """What the user says of the source stays; what leads to the Bento is ours."""
    given = {"org.opencontainers.image.revision": "mine", "io.bentopack.bento.digest": "forged"}
    labels = bento_labels(TAG, "sha256:1", plan_image(manifest(labels=given), ""), origin=Origin(revision="abc"))
    assert "org.opencontainers.image.revision" not in labels
    assert labels["io.bentopack.bento.digest"] == "sha256:1"


def test_a_time_is_read_as_it_was_written() -> None:
    """To the second; anything else is told, not guessed."""
    assert epoch_of(rfc3339(1_700_000_000)) == 1_700_000_000
    for text in ("2024-05", "", "2024-05-01T00:00:00", "yesterday"):
        with pytest.raises(ContentError, match="expected the time that an image was made at"):
            epoch_of(text)


def test_the_licence_is_the_projects(manifest: Make) -> None:
    """As its pyproject.toml names it, unless the bentofile's labels do."""
    key = "org.opencontainers.image.licenses"
    assert dict(plan_image(manifest(license="Apache-2.0"), "").labels)[key] == "Apache-2.0"
    assert dict(plan_image(manifest(license="MIT", labels={key: "BSD-3-Clause"}), "").labels)[key] == "BSD-3-Clause"
    assert key not in dict(plan_image(manifest(), "").labels)
