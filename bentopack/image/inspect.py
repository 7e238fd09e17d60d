"""Leads from an image back to what it was made of: its Bento, lock, models, base and source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bentopack.errors import NotFound
from bentopack.image.kinds import TOLD
from bentopack.image.provenance import PREDICATE, STATEMENT
from bentopack.oci.blobs import Blobs
from bentopack.oci.content import INDEXES, ContentError, Descriptor, digest_of
from bentopack.oci.image import read_config, settings_of
from bentopack.oci.manifests import layers_of, listed, parsed
from bentopack.oci.reference import Reference
from bentopack.oci.referrers import read_attachment, referrers
from bentopack.oci.registry import Registries

_OCI, _OURS = "org.opencontainers.image", "io.bentopack"
_ATTESTS = "vnd.docker.reference.type"
"""What BuildKit attests is in the index of its images too, with this annotation."""


@dataclass(frozen=True)
class ImageReport:
    """What an image says of itself, and what is attached to it.

    ``digest`` is the manifest's, ``size`` in bytes, ``made_of`` what the provenance names (SLSA's resource
    descriptors), where one is attached; that is unsigned.
    """

    image: str
    digest: str
    platform: str
    layers: int
    size: int
    labels: Mapping[str, str]
    attached: tuple[Descriptor, ...] = ()
    made_of: tuple[Mapping[str, Any], ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    created: str | None = None
    """When its configuration says that it was made; a label of that name may be the bentofile's."""

    @property
    def said(self) -> dict[str, str]:
        """What it says of itself. Labels may be the base's, but not annotations; not every builder writes some."""
        if f"{_OCI}.base.name" not in self.annotations:
            return dict(self.labels)
        ours = {key: value for key, value in self.labels.items() if not key.startswith(_OCI)}
        return {**ours, **self.annotations}

    def facts(self) -> dict[str, Any]:
        """The same as JSON can hold it, with the labels that lead back by their meaning."""
        told = self.said.get
        return {
            "image": self.image,
            "digest": self.digest,
            "platform": self.platform,
            "bento": told(f"{_OURS}.bento.tag"),
            "bento_digest": told(f"{_OURS}.bento.digest"),
            "variant": told(f"{_OURS}.variant"),
            "base": told(f"{_OCI}.base.name"),
            "base_digest": told(f"{_OCI}.base.digest"),
            "source": told(f"{_OCI}.source"),
            "revision": told(f"{_OCI}.revision"),
            "created": told(f"{_OCI}.created"),
            "layers": self.layers,
            "size": self.size,
            "made_of": [dict(each) for each in self.made_of],
            "attached": [{"type": each.artifact_type, "digest": each.digest} for each in self.attached],
            "labels": dict(self.labels),
        }


def inspect_image(registries: Registries, reference: Reference, blobs: Blobs) -> list[ImageReport]:
    """Read what a registry has under a name: an image, or one for each platform.

    Raises:
        RegistryError, ContentError: it has none, or what comes is not of its digest; or it lists no image.
        NotFound: it is no image that bentopack made.
    """
    content, media_type = registries.manifest(reference)
    if media_type not in INDEXES:
        return [_of_one(registries, reference, digest_of(content), content, blobs)]
    reports = []
    for each in listed(content, reference):
        if _ATTESTS not in each.annotations:
            manifest = registries.manifest(reference.at(each.digest))[0]
            reports.append(_of_one(registries, reference, each.digest, manifest, blobs))
    if not reports:
        raise ContentError(f"{reference} lists no image")
    return reports


def _of_one(registries: Registries, reference: Reference, digest: str, manifest: bytes, blobs: Blobs) -> ImageReport:
    told = parsed(manifest, reference)
    if artifact := told.get("artifactType"):
        raise NotFound(f"{reference} is {TOLD.get(artifact, artifact)}, and no image")
    if "config" not in told:
        raise ContentError(f"{reference} is no image")
    layers = layers_of(manifest, reference)
    described = Descriptor.from_json(told["config"])
    if not blobs.has(described):
        blobs.fetch(described, registries.pieces(reference, described))
    config = read_config(blobs.read(described.digest))
    labels = settings_of(config).get("Labels") or {}
    if f"{_OURS}.bento.digest" not in labels:
        raise NotFound(f"{reference} is not an image that bentopack made: it has no label {_OURS}.bento.digest")
    attached = tuple(referrers(registries, reference, digest))
    parts = (config.get("os"), config.get("architecture"), config.get("variant"))
    return ImageReport(
        str(reference),
        digest,
        "/".join(str(part) for part in parts if part),
        len(layers),
        sum(layer.size for layer in layers),
        labels,
        attached,
        _made_of(registries, reference, digest, attached, labels[f"{_OURS}.bento.digest"]),
        told.get("annotations") or {},
        config.get("created"),
    )


def _made_of(
    registries: Registries, reference: Reference, digest: str, attached: tuple[Descriptor, ...], bento: str
) -> tuple[Mapping[str, Any], ...]:
    """What a provenance names that is attached to the image and is of the Bento that the image says it holds.

    Nobody signed it: who may write to the repository may attach one.
    """
    for each in attached:
        if each.artifact_type != STATEMENT:
            continue
        try:
            statement = json.loads(read_attachment(registries, reference, each))
            subjects = [subject["digest"]["sha256"] for subject in statement["subject"]]
            if statement["predicateType"] == PREDICATE and subjects == [digest.removeprefix("sha256:")]:
                found = tuple(dict(each) for each in statement["predicate"]["buildDefinition"]["resolvedDependencies"])
                told = [each["digest"]["sha256"] for each in found if each.get("name") == "bento"]
                if told == [bento.removeprefix("sha256:")]:
                    return found
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return ()
