"""What an image is made of besides bytes: descriptors, its configuration, its manifest; and their one spelling."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bentopack.errors import BentopackError

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
"""What stands where a configuration would, of content that is no image: ``NOTHING``."""
NOTHING = b"{}"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = f"{LAYER}+gzip"
LAYER_ZSTD = f"{LAYER}+zstd"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1"
DOCKER_LAYERS = {
    "application/vnd.docker.image.rootfs.diff.tar": LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": LAYER_ZSTD,
    "application/vnd.docker.image.rootfs.foreign.diff.tar": f"{_FOREIGN}.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": f"{_FOREIGN}.tar+gzip",
}
"""What Docker's manifests call layers, and what the same bytes are called in OCI's."""

INDEXES = (INDEX, DOCKER_INDEX)
MANIFESTS = (MANIFEST, DOCKER_MANIFEST)


class ContentError(BentopackError):
    """What came from elsewhere is not what it says, or cannot be used."""

    exit_code = 9


@dataclass(frozen=True)
class Descriptor:
    """Names content by its digest (``sha256:<hex>``) and its size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Mapping[str, str] | None = None
    artifact_type: str | None = None
    """What it is, where it is no image."""
    urls: tuple[str, ...] = ()
    """Where else its bytes are; of layers that may not be handed on, nowhere but there."""

    def to_json(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        found: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            found["annotations"] = dict(self.annotations)
        if self.platform:
            found["platform"] = dict(self.platform)
        if self.artifact_type:
            found["artifactType"] = self.artifact_type
        if self.urls:
            found["urls"] = list(self.urls)
        return found

    @classmethod
    def from_json(cls, value: Any) -> Descriptor:
        """Read one of a manifest.

        Raises:
            ContentError: it is none.
        """
        try:
            found = cls(
                str(value["mediaType"]),
                str(value["digest"]),
                int(value["size"]),
                value.get("annotations") or {},
                value.get("platform"),
                value.get("artifactType"),
                tuple(map(str, value.get("urls") or ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            found = None
        if found is None or not re.fullmatch("sha256:[0-9a-f]{64}", found.digest) or found.size < 0:
            raise ContentError(f"expected a descriptor of OCI content, found {str(value)[:200]}")
        return found


def canonical(value: Any) -> bytes:
    """Write JSON in its one form: keys in order, no blanks, UTF-8 (as RFC 8785 has it, for text and whole numbers)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(content: bytes) -> str:
    """The digest of some bytes, ``sha256:<hex>``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def checked(pieces: Iterable[bytes], digest: str, wrong: str) -> Iterator[bytes]:
    """Yield a stream; whoever takes it to its end knows that it is of a digest.

    Raises:
        ContentError: it is not, in the words of ``wrong``.
    """
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
        yield piece
    if f"sha256:{found.hexdigest()}" != digest:
        raise ContentError(wrong)


def describe(media_type: str, content: bytes) -> Descriptor:
    """The descriptor of some bytes."""
    return Descriptor(media_type, digest_of(content), len(content))


def image_manifest(config: Descriptor, layers: Sequence[Descriptor], annotations: Mapping[str, str]) -> bytes:
    """Write the manifest of an image."""
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    if annotations:
        manifest["annotations"] = dict(annotations)
    return canonical(manifest)


def artifact_manifest(
    artifact_type: str,
    layers: Sequence[Descriptor],
    annotations: Mapping[str, str],
    *,
    subject: Descriptor | None = None,
) -> bytes:
    """Write the manifest of content that is no image, and perhaps belongs to one.

    Source: https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidelines-for-artifact-usage.
    """
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": describe(EMPTY, NOTHING).to_json(),
        "layers": [layer.to_json() for layer in layers],
        "annotations": dict(annotations),
    }
    if subject:
        manifest["subject"] = Descriptor(subject.media_type, subject.digest, subject.size).to_json()
    return canonical(manifest)


def image_index(manifests: Sequence[Descriptor]) -> bytes:
    """Write an index of images, such as one for each platform."""
    return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [each.to_json() for each in manifests]})
