"""System packages that a release does not have."""

from __future__ import annotations

import re

import pytest

from bentopack.image.planner import plan_image
from bentopack.image.system import missing_packages
from bentopack.image.system_table import GONE, OTHER_NAMES
from bentopack.image.table import DISTROS, PackageManager
from bentopack.image.validate import PlanError, system_package
from bentopack.spec.manifest import ImageInfo

from .conftest import Make


@pytest.mark.parametrize(
    ("asked", "release", "manager", "instead"),
    [
        ("libgl1-mesa-glx", "debian13", "apt", "libgl1"),
        ("libgl1-mesa-glx", "debian12", "apt", None),
        ("libgl1-mesa-glx", "alpine3.22", "apk", "mesa-gl"),
        ("libgl1-mesa-glx", None, "apt", None),
        ("libssl1.1", "debian12", "apt", "libssl3"),
        ("libssl1.1=1.1.1*", "ubuntu22.04", "apt", "libssl3"),
        ("libtiff5:arm64", "ubuntu24.04", "apt", "libtiff6"),
        ("netcat", "debian12", "apt", "netcat-openbsd"),
        ("build-essential", "alpine3.22", "apk", "build-base"),
        ("libgomp1", "ubi9", "microdnf", "libgomp"),
        ("git", "ubi9", "microdnf", None),
        ("libgomp1", "debian12", "apt", None),
        ("libgl1-mesa-glx", None, None, None),
    ],
)
def test_what_is_not_there(
    asked: str, release: str | None, manager: PackageManager | None, instead: str | None
) -> None:
    """A name that the release lacks is told with its successor; one that it has, or may have, is not."""
    found = list(missing_packages([asked], release=release, manager=manager))
    assert found == ([(asked, instead)] if instead else [])


def test_all_are_told_before_the_build(manifest: Make) -> None:
    """Each one at once, by the names of the release and of what to take."""
    image = ImageInfo(distro="debian13", system_packages=("libgl1-mesa-glx", "curl", "libssl1.1"))
    with pytest.raises(PlanError) as caught:
        plan_image(manifest(image=image), "")
    assert caught.value.message.splitlines() == [
        "docker.system_packages: debian13 has no libgl1-mesa-glx; take libgl1",
        "docker.system_packages: debian13 has no libssl1.1; take libssl3",
    ]


def test_rows_fit_together() -> None:
    """Every release is one that a base can have, and no successor is itself gone from where it is to be taken."""
    releases = {row.release for row in DISTROS}
    for name, (where, instead) in GONE.items():
        assert system_package(name) == name
        assert set(where) <= releases | {"ubuntu24.04", "debian13"}
        assert not set(where) & set(GONE.get(instead, ((), ""))[0]), (name, instead)
    for names in OTHER_NAMES.values():
        assert set(names) <= {"apk", "microdnf"}
        assert all(re.fullmatch(r"[A-Za-z0-9+.,\- ]+", name) for name in names.values())
