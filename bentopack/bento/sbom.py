"""The software bill of materials of a Bento: CycloneDX, one document a variant, the same bytes from the same inputs.

It says what the lock and the manifest say, in a form that scanners and auditors read: packages, models, base, runtime.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from bentopack._memo import remembered, version_of
from bentopack.lock.conda import LockedCondaPackage
from bentopack.lock.lockfile import LockedEnvironment
from bentopack.lock.resolver import LockedPackage
from bentopack.spec.manifest import BaseInfo, Manifest, ModelInfo, VariantInfo, sbom_path, to_yaml

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression

_NAMESPACE = uuid.UUID("0b8e4f6a-6b0d-5d0f-9a53-2f6d6c2f6f1e")  # ours; any other would do, as long as it stays
_ID = r"[A-Za-z0-9.+:-]+"
_TERM = rf"\(*{_ID}\)*"
_EXPRESSION = re.compile(rf"{_TERM}( (AND|OR|WITH) {_TERM})*")


def sbom_files(manifest: Manifest, locked: Mapping[str, LockedEnvironment], runtime: str) -> dict[str, bytes]:
    """Write the document of every variant, by its path in the Bento.

    Args:
        locked: what is locked for each variant.
        runtime: the SHA-256 (hex) of the runtime's wheel.
    """
    known = {variant: msgspec.json.encode(each) for variant, each in locked.items()}
    return remembered(
        "sbom",
        [to_yaml(manifest), runtime, *known.values(), version_of("cyclonedx-python-lib")],
        lambda: {
            sbom_path(variant): _document(manifest, info, locked[variant], runtime)
            for variant, info in manifest.variants.items()
        },
    )


def _document(manifest: Manifest, variant: VariantInfo, locked: LockedEnvironment, runtime: str) -> bytes:
    # Late, because it takes a tenth of a second to import, and only a build needs it.
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType

    subject = Component(
        name=manifest.name,
        type=ComponentType.APPLICATION,
        bom_ref="bento",
        version=manifest.version,  # a version derived from the digest cannot stand in a file that the digest is over
        description=manifest.description,
        licenses=[_license(manifest.license)] if manifest.license else None,
    )
    bom = Bom(metadata=BomMetaData(component=subject))
    parts = [
        *_packages(locked.packages, variant),
        *map(_conda, locked.conda),
        _runtime(manifest, runtime),
        *map(_model, manifest.models),
    ]
    parts += [_base(variant.base, variant.platform)] if variant.base else []
    bom.components.update(parts)
    bom.register_dependency(subject, parts)
    return _canonical(bom)


def _canonical(bom: Bom) -> bytes:
    """Write a document in its one form, whatever the library's release: no clock, no chance, every list in order."""
    from cyclonedx.output.json import JsonV1Dot6

    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    document["metadata"].pop("timestamp", None)
    document.pop("serialNumber", None)
    ordered = _ordered(document)
    ordered["serialNumber"] = uuid.uuid5(_NAMESPACE, json.dumps(ordered, sort_keys=True)).urn
    return (json.dumps(ordered, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def _ordered(value: Any) -> Any:
    """Sort every list: each one that is used here is a set by its meaning."""
    if isinstance(value, dict):
        return {key: _ordered(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted(map(_ordered, value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def _packages(packages: Sequence[LockedPackage], variant: VariantInfo) -> Iterator[Component]:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    # Below env/sbom: the file that pip installs from, with these hashes in it.
    requirements = f"../{variant.requirements.removeprefix('env/')}"
    seen: Counter[str] = Counter()
    for package in packages:
        purl = PackageURL("pypi", name=package.name, version=package.version or None)
        # Two markers may lead to one version: the second needs a reference of its own, or the library draws one.
        reference = purl.to_string()
        seen[reference] += 1
        reference += f"#{seen[reference]}" if seen[reference] > 1 else ""
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=each.removeprefix("sha256:")) for each in package.hashes]
        yield Component(
            name=package.name,
            version=package.version or None,
            type=ComponentType.LIBRARY,
            bom_ref=reference,
            purl=purl,
            licenses=[_license(package.license)] if package.license else None,
            # A component's hashes are all of one thing; where one of several files is installed they belong to those.
            hashes=hashes if len(hashes) == 1 else None,
            external_references=[
                ExternalReference(
                    type=ExternalReferenceType.DISTRIBUTION,
                    url=XsUri(package.url or requirements),
                    comment="one of the files with these hashes is installed",
                    hashes=hashes,
                )
            ],
            properties=[Property(name="bentopack:marker", value=package.marker)] if package.marker else None,
        )


def _conda(package: LockedCondaPackage) -> Component:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    # https://github.com/package-url/purl-spec/blob/main/types-doc/conda-definition.md
    channel, _, file = package.url.rpartition("/")
    channel, _, subdir = channel.rpartition("/")
    kind = "conda" if file.endswith(".conda") else "tar.bz2"
    told = {"build": package.build, "channel": channel, "subdir": subdir, "type": kind}
    purl = PackageURL("conda", name=package.name, version=package.version, qualifiers=told)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        licenses=[_license(package.license)] if package.license else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package.sha256)],
        external_references=[ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(package.url))],
    )


def _license(text: str) -> LicenseExpression | DisjunctiveLicense:
    """What the lock holds is an SPDX expression where it has the form of one; the lock makes sure of that."""
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression

    return LicenseExpression(text) if _EXPRESSION.fullmatch(text) else DisjunctiveLicense(name=text)


def _runtime(manifest: Manifest, sha256: str) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    name, version, *_ = manifest.runtime.rpartition("/")[2].split("-")
    # No purl: it is cut from an installation, and no index has this file.
    return Component(
        name=name,
        version=version,
        type=ComponentType.FRAMEWORK,
        bom_ref="runtime",
        description="The serving runtime, bundled in the Bento.",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
        licenses=[_license("Apache-2.0")],
    )


def _model(model: ModelInfo) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    # The digest is over a list of the artifact's files, so it is no hash of a file that a scanner could compare.
    return Component(
        name=model.name,
        version=model.version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{model.tag}",
        properties=[
            Property(name="bentopack:digest", value=model.digest),
            Property(name="bentopack:framework", value=model.framework),
            Property(name="bentopack:path", value=model.path),
        ],
    )


def _base(base: BaseInfo, platform: str) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType

    digest = (base.digest or "").removeprefix("sha256:")
    return Component(
        name=base.image,
        version=base.digest,
        type=ComponentType.CONTAINER,
        bom_ref="base",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)] if digest else None,
        properties=[Property(name="bentopack:platform", value=platform)],
    )
