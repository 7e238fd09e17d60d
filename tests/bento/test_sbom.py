"""The bill of materials in a Bento."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from bentopack.bento.sbom import sbom_files
from bentopack.lock.lockfile import LockedBase, LockedEnvironment
from bentopack.lock.resolver import LockedPackage
from bentopack.spec.manifest import BaseInfo, Manifest, ModelInfo, ServiceInfo, VariantInfo

HASHES = tuple(f"sha256:{digit * 64}" for digit in "abc")
PACKAGES = (
    LockedPackage(name="numpy", version="2.1.0+cpu", hashes=HASHES, license="BSD-3-Clause AND (MIT OR Zlib)"),
    LockedPackage(name="scipy", version="1.17.1", hashes=HASHES[:1], license="BSD License"),
    LockedPackage(name="old", version="1.0", hashes=HASHES[:1], marker="python_version < '3.12'"),
    LockedPackage(name="old", version="1.0", hashes=HASHES[1:], marker="python_version >= '3.12'"),
    LockedPackage(name="far", version="", hashes=HASHES[:1], url="https://example.org/far-1.0-py3-none-any.whl"),
)
SAME = """
import hashlib
from tests.bento.test_sbom import document_bytes
print(hashlib.sha256(document_bytes()).hexdigest())
"""


def manifest(digest: str | None = f"sha256:{'d' * 64}") -> Manifest:
    """A Bento with one model and one variant."""
    model = ModelInfo(
        name="iris", version="0a1b", digest=f"sha256:{'e' * 64}", framework="sklearn", spellings=("iris",)
    )
    variant = VariantInfo(
        platform="linux/amd64",
        requirements="env/python/cpu/requirements.lock",
        packages=len(PACKAGES),
        base=BaseInfo(image="python:3.11-slim", digest=digest),
    )
    return Manifest(
        format=1,
        name="bento",
        description="Grüße",
        service=ServiceInfo(target="service:A", kind="service", name="a", workers=None),
        models=(model,),
        python="3.11",
        runtime="env/runtime/bentopack-0.1.0-py3-none-any.whl",
        variants={"cpu": variant},
    )


def document_bytes(digest: str | None = f"sha256:{'d' * 64}", packages: tuple[LockedPackage, ...] = PACKAGES) -> bytes:
    """The one document of that Bento."""
    files = sbom_files(
        manifest(digest),
        {"cpu": LockedEnvironment(base=LockedBase(image="python:3.11-slim"), packages=packages)},
        "f" * 64,
    )
    assert list(files) == ["env/sbom/cpu.cdx.json"]
    return files["env/sbom/cpu.cdx.json"]


def components(data: bytes) -> dict[str, dict[str, Any]]:
    """The components of a document, by their references."""
    return {each["bom-ref"]: each for each in json.loads(data)["components"]}


@pytest.mark.parametrize("digest", [f"sha256:{'d' * 64}", None])
@pytest.mark.parametrize("packages", [PACKAGES, ()])
def test_the_document_is_valid(digest: str | None, packages: tuple[LockedPackage, ...]) -> None:
    """CycloneDX's own strict schema accepts it, with and without a digest of the base, and with no package."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document_bytes(digest, packages).decode()) is None


def test_everything_that_is_locked_is_named() -> None:
    """Packages with every hash, models with their digest, the base and the runtime are all components, once each."""
    found = components(document_bytes())
    assert sorted(found) == [
        "base",
        "model:iris:0a1b",
        "pkg:pypi/far",
        "pkg:pypi/numpy@2.1.0%2Bcpu",
        "pkg:pypi/old@1.0",
        "pkg:pypi/old@1.0#2",
        "pkg:pypi/scipy@1.17.1",
        "runtime",
    ]
    numpy = found["pkg:pypi/numpy@2.1.0%2Bcpu"]
    (files,) = numpy["externalReferences"]
    assert {f"sha256:{each['content']}" for each in files["hashes"]} == set(HASHES)
    assert files["url"] == "../python/cpu/requirements.lock"
    assert "hashes" not in numpy and found["pkg:pypi/scipy@1.17.1"]["hashes"]
    assert found["model:iris:0a1b"]["type"] == "machine-learning-model"
    assert {"name": "bentopack:digest", "value": f"sha256:{'e' * 64}"} in found["model:iris:0a1b"]["properties"]
    assert found["base"]["version"] == f"sha256:{'d' * 64}"
    assert found["runtime"]["version"] == "0.1.0"


def test_only_expressions_are_called_expressions() -> None:
    """A licence in SPDX's form is an expression; any other words are a name, and no licence is none."""
    found = components(document_bytes())
    assert found["pkg:pypi/numpy@2.1.0%2Bcpu"]["licenses"] == [{"expression": "BSD-3-Clause AND (MIT OR Zlib)"}]
    assert found["pkg:pypi/scipy@1.17.1"]["licenses"][0]["license"]["name"] == "BSD License"
    assert "licenses" not in found["pkg:pypi/old@1.0"]


def test_the_same_bytes_everywhere() -> None:
    """Neither the hash seed, the clock's zone nor the locale shows; there is no time in it, and no chance."""
    environments = [
        {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"},
    ]
    digests = {
        subprocess.run(
            [sys.executable, "-c", SAME], env={**os.environ, **each}, check=True, capture_output=True, text=True
        ).stdout
        for each in environments
    }
    assert len(digests) == 1
    assert b"timestamp" not in document_bytes()


def test_the_order_of_the_lock_does_not_show() -> None:
    """The same packages in another order are the same document, and another package gives another serial number."""
    assert document_bytes(packages=PACKAGES[:2]) == document_bytes(packages=PACKAGES[1::-1])
    serials = {json.loads(document_bytes(packages=each))["serialNumber"] for each in (PACKAGES[:1], PACKAGES[:2])}
    assert len(serials) == 2


def test_these_very_bytes() -> None:
    """A release of the library, of Python or of ours that writes other bytes would change every digest: it is seen."""
    assert (
        hashlib.sha256(document_bytes()).hexdigest()
        == "0dbec718f033c80102fd122e3bf2162a1bd24c64d84014d9f434f80c71e70b8a"
    )
