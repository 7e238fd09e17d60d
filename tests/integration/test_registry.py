"""What a team keeps in a real registry: Bentos, images with what belongs to them, and the way back."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from bentopack.oci.blobs import Blobs
from bentopack.oci.content import digest_of
from bentopack.oci.image import Index
from bentopack.oci.layout import write_index_layout
from tests.command import bentopack, done, fails
from tests.conftest import missing
from tests.integration.bases import idle_base
from tests.integration.registries import BASE, damage, get, pushed, put

pytestmark = pytest.mark.usefixtures("shared_layers", "without_engine")


def large_model(project: Path) -> None:
    """Give the project a model that is a plain layer."""
    script = "import bentopack; bentopack.save_model('weights', bytes(range(256)) * 160_000)"
    subprocess.run([sys.executable, "-c", script], check=True)
    service, held = project / "service.py", 'class Echo:\n    weights = bentopack.model("weights:latest")'
    service.write_text(service.read_text().replace("class Echo:", held))


def test_a_bento_goes_round(project: Path, registry: str, bases: Path, elsewhere: Callable[[], None]) -> None:
    """Its model is the very layer of its image, so it is sent once; who pulls it has the same Bento, proved."""
    large_model(project)
    bentofile = project / "bentofile.yaml"
    bentofile.write_text(bentofile.read_text() + "labels: {team: vision}\n")
    image = pushed(project, f"{registry}/team/echo:1", bases)
    tag = image["bento"]
    sent = json.loads(done("push", tag, f"{registry}/team/echo", "-o", "json", cwd=project))
    assert sent["sent"] < 1_000_000
    manifest = get(registry, f"team/echo/manifests/{tag.partition(':')[2]}")
    in_image = {layer["digest"] for layer in get(registry, "team/echo/manifests/1")["layers"]}
    assert [layer["digest"] in in_image for layer in manifest["layers"]] == [False, True]
    assert manifest["annotations"]["team"] == "vision"
    assert manifest["annotations"]["io.bentopack.digest"] == image["bento_digest"]
    elsewhere()
    done("pull", tag, f"{registry}/team/echo", cwd=project)
    assert json.loads(done("verify", tag, "-o", "json", cwd=project))["digest"] == image["bento_digest"]
    assert pushed(project, f"{registry}/team/echo:2", bases, tag)["digest"] == image["digest"]


def test_a_model_goes_round(project: Path, registry: str, bases: Path, elsewhere: Callable[[], None]) -> None:
    """It is the very layer of an image, so that nothing of it is sent; who pulls it builds the same Bento."""
    large_model(project)
    image = pushed(project, f"{registry}/team/echo:1", bases)
    [model] = [each["tag"] for each in json.loads(done("models", "list", "-o", "json", cwd=project))]
    sent = json.loads(done("models", "push", model, f"{registry}/team/echo", "-o", "json", cwd=project))
    assert sent["sent"] == 0
    elsewhere()
    fails(bentopack("models", "pull", "iris:1", f"{registry}/team/echo", cwd=project), 4, "it is an image")
    done("models", "pull", model, f"{registry}/team/echo", cwd=project)
    assert json.loads(done("build", "-o", "json", cwd=project))["digest"] == image["bento_digest"]


def test_what_is_no_bento_is_not_pulled(project: Path, registry: str, bases: Path) -> None:
    """An image, another Bento's name, nothing at all: each is told, and nothing is stored."""
    pushed(project, f"{registry}/team/echo:1", bases)
    tag = done("build", "-o", "tag", cwd=project)
    done("push", tag, f"{registry}/team/bentos", "-t", "b", cwd=project)
    done("delete", tag, cwd=project)
    fails(bentopack("pull", "echo:1", f"{registry}/team/echo", cwd=project), 4, "it is an image")
    fails(bentopack("pull", "iris:b", f"{registry}/team/bentos", cwd=project), 4, f"is not iris: it is {tag}")
    fails(
        bentopack("pull", "echo:none", f"{registry}/team/bentos", cwd=project),
        4,
        f"there is no {registry}/team/bentos:none",
    )
    fails(bentopack("pull", "echo:b", f"{registry}/team/bentos:b", cwd=project), 2, "give the repository alone")
    assert json.loads(done("list", "-o", "json", cwd=project)) == []
    done("pull", "echo:b", f"{registry}/team/bentos", cwd=project)


def test_other_bytes_are_not_pulled(project: Path, registry: str, tmp_path: Path) -> None:
    """A registry whose disk changed a layer is found out, and nothing is stored."""
    tag = done("build", "-o", "tag", cwd=project)
    done("push", tag, f"{registry}/team/echo", cwd=project)
    done("delete", tag, cwd=project)
    damage(tmp_path, get(registry, f"team/echo/manifests/{tag.partition(':')[2]}")["layers"][0]["digest"])
    refused = bentopack("pull", tag, f"{registry}/team/echo", cwd=project)
    assert refused.returncode == 9, refused.stderr
    assert json.loads(done("list", "-o", "json", cwd=project)) == []


def test_the_way_back_from_an_image(project: Path, registry: str, bases: Path, elsewhere: Callable[[], None]) -> None:
    """Bill of materials and provenance belong to it; inspect reads them; a rebuild elsewhere gives the same image."""
    large_model(project)
    name = f"{registry}/team/echo:1"
    facts = pushed(project, name, bases)
    told = json.loads(done("inspect", name, "-o", "json", cwd=project))
    assert (told["digest"], told["bento"]) == (facts["digest"], facts["bento"])
    assert {each["name"] for each in told["made_of"]} == {"bento", "lock", "base", "model"}
    types = sorted(each["type"] for each in told["attached"])
    assert types == ["application/vnd.cyclonedx+json", "application/vnd.in-toto+json"]
    # This registry keeps no lists of its own: they lie under a tag.
    listed = get(registry, f"team/echo/manifests/{facts['digest'].replace(':', '-')}")["manifests"]
    assert {each["digest"] for each in listed} == {each["digest"] for each in facts["attached"][name]}
    assert pushed(project, name, bases)["sent"] == 0
    done("push", facts["bento"], f"{registry}/team/echo", cwd=project)
    elsewhere()
    assert "is whole" in done("verify", name, cwd=project)
    assert "is made again" in done("verify", name, "--rebuild", "--base-from", bases, cwd=project)
    assert json.loads(done("list", "-o", "json", cwd=project)) == []  # nothing is another `latest` now


def test_an_image_that_is_not_what_it_says(project: Path, registry: str, bases: Path) -> None:
    """Another source under the labels of a Bento: a rebuild names the layer that differs."""
    name = f"{registry}/team/echo:1"
    pushed(project, name, bases)
    manifest = get(registry, "team/echo/manifests/1")
    manifest["layers"] = manifest["layers"][:-1] + manifest["layers"][-2:-1]
    put(registry, "team/echo/manifests/1", manifest)
    refused = bentopack("verify", name, "--rebuild", "--base-from", bases, cwd=project)
    fails(refused, 9, "is not what echo:", "(the source)")


def test_what_the_base_says_of_itself(project: Path, registry: str, tmp_path: Path) -> None:
    """Is not so of the image: neither its source, nor when it was made, in whatever form it says it."""
    said = {"created": "2024-01-01 00:00:00 UTC", "revision": "abc", "source": "https://example.org/base"}
    labels = {"Labels": {f"org.opencontainers.image.{key}": value for key, value in said.items()}}
    base = idle_base(Blobs(tmp_path / "blobs"), "linux/amd64", labels)
    write_index_layout(Index((base,)), tmp_path / "labelled", ["base:1"])
    name = f"{registry}/team/echo:1"
    pushed(project, name, tmp_path / "labelled")
    told = json.loads(done("inspect", name, "-o", "json", cwd=project))
    assert (told["created"], told["revision"], told["source"]) == (None, None, None)
    assert "is made again" in done("verify", name, "--rebuild", "--base-from", tmp_path / "labelled", cwd=project)


def test_compression_of_what_is_made_again(project: Path, registry: str, bases: Path) -> None:
    """It is the image's own; where another release compressed the same layers, just that is told."""
    name, verify = f"{registry}/team/echo", ["--rebuild", "--base-from", str(bases)]
    pushed(project, f"{name}:zstd", bases, "--compression", "zstd")
    assert "is made again" in done("verify", f"{name}:zstd", *verify, cwd=project)
    pushed(project, f"{name}:gzip", bases)
    assert "is made again" in done("verify", f"{name}:gzip", *verify, cwd=project)
    manifest = get(registry, "team/echo/manifests/gzip")
    url, layer = f"http://{registry}/v2/team/echo", manifest["layers"][-1]
    content = gzip.compress(gzip.decompress(httpx.get(f"{url}/blobs/{layer['digest']}").content), 9, mtime=0)
    layer |= {"digest": digest_of(content), "size": len(content)}
    place = httpx.post(f"{url}/blobs/uploads/").headers["Location"]
    assert httpx.put(place, params={**httpx.URL(place).params, "digest": layer["digest"]}, content=content).is_success
    kind = {"Content-Type": manifest["mediaType"]}
    assert httpx.put(f"{url}/manifests/other", content=json.dumps(manifest), headers=kind).is_success
    refused = bentopack("verify", f"{name}:other", *verify, cwd=project)
    fails(refused, 9, "its layers hold the same, and are compressed otherwise than here (gzip")
    assert "should be" not in refused.stderr


def test_several_platforms_under_one_name(project: Path, registry: str, bases: Path, tmp_path: Path) -> None:
    """Each is built from its own lock; skopeo takes the one of a platform, and a rebuild proves each."""
    name, both = f"{registry}/team/echo:1", "linux/amd64,linux/arm64"
    facts = pushed(project, name, bases, "--platform", both)
    index = get(registry, "team/echo/manifests/1")
    assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]
    assert len({each["bento"] for each in facts["platforms"].values()}) == 2
    assert (facts["bento"], facts["bento_digest"], facts["sent_blobs"] > 0) == (None, None, True)
    subjects = [each["subject"] for each in facts["attached"][name]]
    assert sorted(set(subjects)) == sorted(each["digest"] for each in index["manifests"])
    manifests = [get(registry, f"team/echo/manifests/{each['digest']}") for each in index["manifests"]]
    blobs = {each["digest"]: each["size"] for found in manifests for each in (*found["layers"], found["config"])}
    assert facts["size"] == sum(blobs.values())
    assert done("verify", name, "--rebuild", "--base-from", bases, cwd=project).count("is made again") == 2
    if shutil.which("skopeo") is None:
        missing("there is no skopeo on PATH (Debian: apt-get install skopeo)")
    command = ["skopeo", "inspect", "--tls-verify=false", "--override-arch", "arm64", "--config", f"docker://{name}"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(found)["architecture"] == "arm64"
    options: list[str | Path] = ["containerize", "--platform", both, "--base-image", BASE, "--base-from", bases]
    layout = json.loads(done(*options, "--layout", tmp_path / "l", "-o", "json", cwd=project))
    assert layout["digest"] == facts["digest"]
    bento = facts["platforms"]["linux/amd64"]["bento"]
    fails(bentopack(*options, bento, "--push", "-t", name, cwd=project), 2, "is locked for linux/amd64, not for")
    fails(bentopack(*options, cwd=project), 2, "--push or --layout")
    reasons = bentopack(*options, "--layout", tmp_path / "l", "--explain", cwd=project).stderr
    assert reasons.count("given with --base-image") == 2


def test_signed_images(project: Path, registry: str, bases: Path, tmp_path: Path) -> None:
    """Who has the public key proves who pushed; another's key, and an image that nobody signed, are refused."""
    for each in ("ours", "other"):
        private, public = tmp_path / f"{each}.pem", tmp_path / f"{each}.pub"
        subprocess.run(
            [*["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"], private], check=True
        )
        subprocess.run(["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    name = f"{registry}/team/echo:1"
    pushed(project, name, bases)
    fails(bentopack("verify", name, "--key", tmp_path / "ours.pub", cwd=project), 9, "it has no signature")
    facts = pushed(project, name, bases, "-t", f"{registry}/team/echo:2", "--sign", tmp_path / "ours.pem")
    assert facts["signed"] == list(facts["attached"]) == [name, f"{registry}/team/echo:2"]
    assert "is whole and signed" in done("verify", name, "--key", tmp_path / "ours.pub", cwd=project)
    other = ("verify", name, "--key", tmp_path / "other.pub")
    fails(bentopack(*other, cwd=project), 9, "none of its 1 signatures")
    told = bentopack(*other, "-o", "json", cwd=project)
    assert (told.returncode, json.loads(told.stdout)["whole"]) == (9, False)
    fails(
        bentopack("verify", name, "--key", "nowhere", "-o", "json", cwd=project), 2, "nowhere: the key cannot be read"
    )
    pushed(project, name, bases, "--sign", tmp_path / "other.pem")
    for each in ("ours", "other"):
        done("verify", name, "--key", tmp_path / f"{each}.pub", cwd=project)
    early = bentopack("containerize", "--push", "-t", name, "--sign", tmp_path / "ours.pub", cwd=project)
    fails(early, 2, "expected a private key")
