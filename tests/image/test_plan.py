"""The plan: what follows from a manifest."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from bentopack.image.plan import ImagePlan
from bentopack.image.planner import plan_image
from bentopack.image.validate import PlanError
from bentopack.spec.bentofile import Spec
from bentopack.spec.manifest import BaseInfo, ImageInfo, Manifest, VariantInfo

from .conftest import Make


def kinds(plan: ImagePlan) -> list[str]:
    return [layer.kind for layer in plan.layers]


def test_order(manifest: Make) -> None:
    """Layers go from what changes least to what changes most: an edit of the source redoes the last one alone."""
    image = ImageInfo(system_packages=("libgomp1",), setup_script="env/docker/setup_script")
    plan = plan_image(manifest(image=image), "")
    assert kinds(plan) == ["system", "python", "runtime", "setup", "model", "manifest", "source"]


def test_one_layer_a_model(manifest: Make) -> None:
    """Each model is a layer of its own, so that a new version of one moves no other."""
    one = manifest().models[0]
    plan = plan_image(manifest(models=(one, replace(one, name="other"))), "")
    assert [layer.target for layer in plan.of("model")] == ["/bento/models/iris/1.0/", "/bento/models/other/1.0/"]


def test_same_manifest_same_plan(manifest: Make) -> None:
    """Planning is pure: equal manifests give equal plans."""
    assert plan_image(manifest(), "") == plan_image(manifest(), "")


def test_missing_variant(manifest: Make) -> None:
    """``--gpu`` on a Bento without a gpu variant says what to add to the bentofile."""
    cpu = VariantInfo(platform="linux/amd64", requirements="env/python/cpu/requirements.lock", packages=1)
    with pytest.raises(PlanError, match="no gpu variant") as caught:
        plan_image(manifest(variants={"cpu": cpu}), "", variant="gpu")
    assert 'cuda_version: "12.4"' in str(caught.value.hint)


def test_user_is_numeric(manifest: Make) -> None:
    """The user is a number, as Kubernetes' runAsNonRoot needs, with group 0, as OpenShift's random uids have."""
    assert plan_image(manifest(), "").user == "10001:0"


def test_environment(manifest: Make) -> None:
    """docker.env and envs are set, envs last; one without a value is left for the deployment to give."""
    plan = plan_image(manifest(image=ImageInfo(env={"A": "1", "B": "1"}), envs={"B": "2", "TOKEN": ""}), "")
    environment = dict(plan.environment)
    assert (environment["A"], environment["B"]) == ("1", "2")
    assert "TOKEN" not in environment


def test_port(manifest: Make) -> None:
    """The exposed port is the one that the server will read from the same environment."""
    assert plan_image(manifest(), "").port == 3000
    assert plan_image(manifest(envs={"PORT": "8080"}), "").port == 8080
    with pytest.raises(PlanError, match="PORT"):
        plan_image(manifest(envs={"PORT": "http"}), "")


def test_gpu_environment(manifest: Make) -> None:
    """On a base of the user's own nobody else would ask NVIDIA's runtime for the GPU."""
    environment = dict(plan_image(manifest(), "", variant="gpu", base_image="mine:1").environment)
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "all"


def test_other_platform_is_noted(manifest: Make) -> None:
    """A platform that the lock was not made for is told before the build."""
    plan = plan_image(manifest(), "", platform="linux/arm64")
    assert plan.platform == "linux/arm64"
    assert "locked for linux/amd64" in plan.notes[0]


def test_system_packages_on_an_unknown_distro(manifest: Make) -> None:
    """Where the package manager is not known, asked packages are refused, not forgotten."""
    with pytest.raises(PlanError, match=r"docker\.system_packages"):
        plan_image(manifest(image=ImageInfo(distro="mine", base_image="mine:1", system_packages=("git",))), "")


def test_ubuntu_gets_authorities(manifest: Make) -> None:
    """Ubuntu's image has no certificate authorities; a service that calls out needs them."""
    assert plan_image(manifest(image=ImageInfo(distro="ubuntu")), "").of("system")[0].packages == ("ca-certificates",)


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Classifies\n  flowers.", "Classifies flowers."),
        ("# Iris\n\nClassifies\nflowers.\n\n## Use\n\nmore", "Classifies flowers."),
        ("# Iris\nClassifies flowers.\n\nmore", "Classifies flowers."),
        ("\n\n# Iris #\n", "Iris"),
        ("word " * 50, ("word " * 40)[:199].rstrip() + "…"),
        ("x" * 200, "x" * 200),
        ("  \n", None),
    ],
)
def test_description(manifest: Make, description: str, expected: str | None) -> None:
    """A label is one short line: of a README that is the description, its first paragraph."""
    labels = dict(plan_image(manifest(description=description), "").labels)
    assert labels.get("org.opencontainers.image.description") == expected
    assert len(expected or "") <= 200


def test_base_by_its_digest(manifest: Make) -> None:
    """A locked base is named by its digest; a digest says nothing of a base that is given in its place."""
    digest, image = "sha256:" + "a" * 64, "python:3.11-slim-bookworm"

    def locked(name: str, digest: str) -> Manifest:
        cpu = msgspec.structs.replace(manifest().variants["cpu"], base=BaseInfo(image=name, digest=digest))
        return manifest(variants={"cpu": cpu})

    assert plan_image(locked(image, digest), "").base.reference == f"{image}@{digest}"
    assert plan_image(locked("another", digest), "").base.reference == image
    assert plan_image(locked(image, digest), "", base_image="mine:1").base.reference == "mine:1"
    assert plan_image(manifest(), "", base_image=f"mine@{digest}").base.reference == f"mine@{digest}"
    with pytest.raises(PlanError, match="the digest of an image"):
        plan_image(locked(image, "sha256:0\nRUN id"), "")


@pytest.mark.parametrize("name", ["curl=7.88*", "libgl1:arm64", "x/stable", "curl=~8"])
def test_system_packages_are_those_of_the_bentofile(manifest: Make, name: str) -> None:
    """What the bentofile may ask for, the image takes: one pattern says what a package is."""
    Spec.model_validate({"service": "service:Iris", "docker": {"system_packages": [name]}})
    plan = plan_image(manifest(image=ImageInfo(system_packages=(name,))), "")
    assert plan.of("system")[0].packages == (name,)


def test_label_with_a_line_break(manifest: Make) -> None:
    """What a Dockerfile cannot say is refused by its name in the bentofile."""
    with pytest.raises(PlanError, match=r"labels\.owner: a line break"):
        plan_image(manifest(labels={"owner": "a\nb"}), "")
