"""verify of images in a real registry: what it proves, and what it refuses to call whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command import bentopack, fails
from tests.integration.registries import damage, get, pushed, put

pytestmark = pytest.mark.usefixtures("shared_layers", "without_engine")
INDEX = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}


def verified(project: Path, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """Verify, and return the exit code and what is told to scripts, whatever came of it."""
    result = bentopack("verify", *arguments, "-o", "json", cwd=project)
    assert result.stdout, result.stderr
    return result.returncode, json.loads(result.stdout)


def test_a_damaged_bento_beside_an_image_is_told(
    project: Path, registry: str, bases: Path, elsewhere: Callable[[], None], tmp_path: Path
) -> None:
    """A rebuild says that it is damaged, and not that there is none."""
    name = f"{registry}/team/echo:1"
    tag = pushed(project, name, bases)["bento"]
    elsewhere()
    rebuild = ("verify", name, "--rebuild", "--base-from", bases)
    fails(bentopack(*rebuild, cwd=project), 4, "neither in the store nor at")
    pushed(project, name, bases)
    assert bentopack("push", tag, f"{registry}/team/echo", cwd=project).returncode == 0
    assert bentopack("delete", tag, cwd=project).returncode == 0
    damage(tmp_path, get(registry, f"team/echo/manifests/{tag.partition(':')[2]}")["layers"][0]["digest"])
    code, told = verified(project, *rebuild[1:])
    assert (code, told["whole"]) == (9, False)


def test_an_index_is_whole_with_all_that_it_lists(project: Path, registry: str, bases: Path, tmp_path: Path) -> None:
    """An entry without a platform is proved like others; an index without an image proves nothing; attestations of
    BuildKit are no images."""
    name = f"{registry}/team/echo:1"
    digest = pushed(project, name, bases, "--no-attest")["digest"]
    manifest = get(registry, "team/echo/manifests/1")
    size = len(json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
    entry = {"mediaType": manifest["mediaType"], "digest": digest, "size": size}
    attests = {"platform": {"os": "unknown", "architecture": "unknown"}}
    attests["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    put(registry, "team/echo/manifests/listed", {**INDEX, "manifests": [entry, {**entry, **attests}]})
    put(registry, "team/echo/manifests/empty", {**INDEX, "manifests": []})
    put(registry, "team/echo/manifests/attests", {**INDEX, "manifests": [{**entry, **attests}]})
    code, told = verified(project, f"{registry}/team/echo:listed")
    assert (code, told["platforms"]) == (0, {"linux/amd64": digest})
    for each in ("empty", "attests"):
        code, told = verified(project, f"{registry}/team/echo:{each}")
        assert (code, told["whole"]) == (9, False)
        fails(bentopack("inspect", f"{registry}/team/echo:{each}", "-o", "json", cwd=project), 9, "lists no image")
    damage(tmp_path, manifest["layers"][-1]["digest"])
    code, told = verified(project, f"{registry}/team/echo:listed")
    assert (code, told["whole"]) == (9, False)
    assert "sends other bytes" in told["problems"][0]
