"""What a base of the user's own has, and what has to be brought to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bentopack.image.bases import choose_base
from bentopack.image.plan import Base, BaseFacts
from bentopack.image.probe import read_answers
from bentopack.image.validate import PlanError
from bentopack.spec.manifest import ImageInfo

DEBIAN = BaseFacts("3.11", (2, 36), "apt", release="debian12")


@pytest.mark.parametrize(
    ("answers", "facts"),
    [
        ("manager apt-get\npython 3.11 23.2\nrelease debian12\nglibc 2.36\n", DEBIAN),
        ("manager apk\npython 3.12 24.0\nmusl libc (x86_64)\nVersion 1.2.5\n", BaseFacts("3.12", None, "apk")),
        ("manager microdnf\nldd (GNU libc) 2.34\n", BaseFacts(None, (2, 34), "microdnf")),
        ("ldd (Ubuntu GLIBC 2.17-0ubuntu3) 2.17\n", BaseFacts(None, (2, 17), None)),
        ("python 3.9 20.3\nglibc 2.31\n", BaseFacts(None, (2, 31), None)),
        ("manager apt-get\nindex\nindex\nglibc 2.36\n", BaseFacts(None, (2, 36), "apt", names_index=True)),
        ("", BaseFacts()),
    ],
)
def test_answers(answers: str, facts: BaseFacts) -> None:
    """Package manager, a Python that can install, the C library: each as far as the image tells."""
    assert read_answers(answers) == facts


def chosen(found: BaseFacts | None) -> Base:
    asked = ImageInfo(distro="mine", base_image="mine:1")
    return choose_base(asked, variant="cpu", python="3.11", packages={}, found=found)


def test_a_base_that_has_it_all() -> None:
    """It is used as it is, by the package manager that it has."""
    base = chosen(DEBIAN)
    assert (base.interpreter_image, base.package_manager, base.checked) == (None, "apt", False)


@pytest.mark.parametrize("python", ["3.9", None])
def test_a_base_without_the_python(python: str | None) -> None:
    """The right Python comes with it, and the user is warned of where from."""
    base = chosen(replace(DEBIAN, python=python))
    assert base.interpreter_image == "python:3.11-slim-bookworm"
    assert "Python 3.11 is brought to it, by way of python:3.11-slim-bookworm" in base.warnings[-1]


def test_nobody_could_look() -> None:
    """Then the build looks, as its first step; and pip installs, since the base may have told it of an index."""
    base = chosen(None)
    assert base.checked
    assert base.names_index
    assert not chosen(DEBIAN).names_index


def test_an_old_base() -> None:
    """One whose C library is older than the wheels' is refused at once, with both versions."""
    with pytest.raises(PlanError, match=r"mine:1 has glibc 2\.17, and packages are locked for 2\.28") as caught:
        chosen(replace(DEBIAN, glibc=(2, 17)))
    assert "choose a newer base" in str(caught.value.hint)


def test_another_c_library() -> None:
    """musl cannot run the Python that would be brought."""
    with pytest.raises(PlanError, match="its C library is not glibc"):
        chosen(BaseFacts("3.10", None, "apk"))


def test_a_base_whose_packages_nobody_knows_how_to_install() -> None:
    """What was looked into and has no manager that is known gets none: not that of the default distribution."""
    found, asked = replace(DEBIAN, package_manager=None), ImageInfo(base_image="mine:1")
    base = choose_base(asked, variant="cpu", python="3.11", packages={}, found=found)
    assert base.package_manager is None
