"""verify of images in a real registry: what it proves, and what it refuses to call whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bentopack.image.provenance import PREDICATE, STATEMENT
from bentopack.oci.content import MANIFEST, canonical, describe
from bentopack.oci.reference import parse_reference
from bentopack.oci.referrers import Attachment, attach
from bentopack.oci.registry import Registries
from tests.command import bentopack, done, fails
from tests.integration.registries import BASE, damage, get, pushed, put

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


def test_a_base_out_of_a_file_is_the_one_that_is_named(project: Path, registry: str, bases: Path) -> None:
    """By the digest of its index, or of the platform's manifest; another one is refused, by whoever makes the image.
    The digest is a label of its own."""
    name, index = f"{registry}/team/echo:1", json.loads((bases / "index.json").read_bytes())["manifests"][0]["digest"]
    listed = json.loads((bases / "blobs/sha256" / index[7:]).read_bytes())["manifests"]
    for digest in (index, listed[0]["digest"]):
        pushed(project, name, bases, "--base-image", f"base.example/idle:1@{digest}")
        told = json.loads(done("inspect", name, "-o", "json", cwd=project))
        assert (told["base"], told["base_digest"]) == (f"base.example/idle:1@{digest}", digest)
        [base] = [each for each in told["made_of"] if each["name"] == "base"]
        assert base["digest"] == {"sha256": digest[7:]}
        assert "is made again" in done("verify", name, "--rebuild", "--base-from", bases, cwd=project)
    goal = ("containerize", "--layout", "layout", "--base-image")
    for wrong in (f"sha256:{'0' * 64}", listed[1]["digest"]):
        other = f"base.example/idle:1@{wrong}"
        fails(bentopack(*goal, other, "--base-from", bases, cwd=project), 2, f"the base is {other}, and {bases} has")
    fails(bentopack(*goal, BASE, "--base-from", "nowhere", cwd=project), 2, "nowhere cannot be read")


@pytest.mark.parametrize("created", ["2024-05", "2024-05-01T00:00:00Z"])
def test_labels_of_the_bentofile_are_not_read_as_ours(
    project: Path, registry: str, bases: Path, created: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it says itself when the image was made, on what and of which source, a rebuild is the same all the same."""
    said = {"base.name": "our golden base", "created": created, "revision": "mine", "source": "nowhere"}
    bentofile = project / "bentofile.yaml"
    labels = json.dumps({f"org.opencontainers.image.{key}": value for key, value in said.items()})
    bentofile.write_text(bentofile.read_text() + f"labels: {labels}\ndocker: {{base_image: {BASE}}}\n")
    name = f"{registry}/team/echo:1"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    pushed(project, name, bases, "--no-attest")
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert "is made again" in done("verify", name, "--rebuild", "--base-from", bases, cwd=project)


@pytest.mark.parametrize("bento", ["another", None])
def test_provenance_of_another_bento_is_not_shown_as_the_images(
    project: Path, registry: str, bases: Path, bento: str | None
) -> None:
    """Who may write to a repository may attach one; what names another Bento, or none, is not told as what the image
    was made of, and what is told says that it is unsigned."""
    name = f"{registry}/team/echo:1"
    facts = pushed(project, name, bases, "--no-attest")
    registries, reference = Registries(os.environ), parse_reference(name)
    named = {"name": "bento", "digest": {"sha256": "0" * 64}} if bento else "bento"
    statement = {
        "subject": [{"digest": {"sha256": facts["digest"].removeprefix("sha256:")}}],
        "predicateType": PREDICATE,
        "predicate": {"buildDefinition": {"resolvedDependencies": [named, {"name": "lock", "uri": "evil:lock"}]}},
    }
    image = describe(MANIFEST, registries.manifest(reference)[0])
    attach(registries, reference, image, [Attachment(STATEMENT, canonical(statement))])
    assert json.loads(done("inspect", name, "-o", "json", cwd=project))["made_of"] == []
    assert "evil:lock" not in done("inspect", name, cwd=project)
    pushed(project, name, bases)
    told = done("inspect", name, cwd=project)
    assert "evil:lock" not in told
    assert "(attached, unsigned)" in told
