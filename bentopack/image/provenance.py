"""What an image was made of, as a statement that tools for supply chains read: in-toto's, with SLSA's provenance.

Sources: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, https://slsa.dev/spec/v1.0/provenance.
It names no clock, machine or user: the same image has the same statement, whoever made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentopack
from bentopack.bento.digest import read_sums
from bentopack.bento.origin import Origin
from bentopack.image.plan import ImagePlan
from bentopack.oci.content import canonical
from bentopack.oci.reference import Reference, parse_reference
from bentopack.oci.referrers import Attachment
from bentopack.spec.manifest import read_manifest, sbom_path
from bentopack.tag import Tag

SBOM = "application/vnd.cyclonedx+json"
STATEMENT = "application/vnd.in-toto+json"
PREDICATE = "https://slsa.dev/provenance/v1"
_PROJECT = "https://pypi.org/project/bentopack/"
_BUILD_TYPE = f"{_PROJECT}#image-1"


def documents(
    bento: Path, tag: Tag, digest: str, plan: ImagePlan, origin: Origin | None, reference: Reference, image: str
) -> list[Attachment]:
    """Return what is attached to an image: the bill of materials that the Bento has, and the statement.

    Args:
        bento: the Bento's folder.
        tag: the Bento's.
        digest: the Bento's.
        plan: the image's.
        origin: the Bento's source, where it is known.
        reference: where the image is; its repository names it in the statement.
        image: the image's digest.
    """
    version = bentopack.__version__
    subject = {"name": f"{reference.registry}/{reference.repository}", "digest": _digest(image)}
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {"bento": str(tag), "variant": plan.variant, "platform": plan.platform},
                "resolvedDependencies": list(_dependencies(bento, tag, digest, plan, origin)),
            },
            "runDetails": {"builder": {"id": f"{_PROJECT}{version}/", "version": {"bentopack": version}}},
        },
    }
    found = [Attachment(STATEMENT, canonical(statement), {"in-toto.io/predicate-type": PREDICATE})]
    bill = bento / sbom_path(plan.variant)
    return [*found, Attachment(SBOM, bill.read_bytes())] if bill.is_file() else found


def _dependencies(
    bento: Path, tag: Tag, digest: str, plan: ImagePlan, origin: Origin | None
) -> Iterator[dict[str, Any]]:
    """What the image follows from, as SLSA's resource descriptors."""
    manifest = read_manifest(bento)
    yield {"name": "bento", "uri": f"bento:{tag}", "digest": _digest(digest)}
    lock = manifest.variants[plan.variant].requirements
    yield {"name": "lock", "uri": f"bento:{tag}#{lock}", "digest": {"sha256": read_sums(bento)[lock]}}
    base: dict[str, Any] = {"name": "base", "uri": f"oci://{parse_reference(plan.base.reference)}"}
    yield {**base, "digest": _digest(plan.base.pinned)} if plan.base.pinned else base
    for model in manifest.models:
        yield {"name": "model", "uri": f"model:{model.tag}", "digest": _digest(model.digest)}
    if origin:
        commit, dirty, _ = origin.revision.partition("-dirty")
        source: dict[str, Any] = {"name": "source", "digest": {"gitCommit": commit}}
        source |= {"uri": f"git+{origin.source}"} if origin.source else {}
        yield {**source, "annotations": {"changed since": True}} if dirty else source


def _digest(text: str) -> dict[str, str]:
    algorithm, _, value = text.rpartition(":")
    return {algorithm or "sha256": value}
