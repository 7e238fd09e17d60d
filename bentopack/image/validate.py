"""What a string must be before it may stand in a Dockerfile.

A manifest's strings are somebody else's input: a line break or a quote in one must not become an instruction. Each
function here returns its argument, or refuses it by name. Free text (values of variables and labels) may be nearly
anything and is quoted by ``bentopack.image.render``.
"""

from __future__ import annotations

import re

from bentopack.errors import BentopackError
from bentopack.spec.patterns import IMAGE_DIGEST, IMAGE_REFERENCE, SYSTEM_PACKAGE


class PlanError(BentopackError):
    """No image can be planned from what the bentofile or the command line asks for."""

    exit_code = 3


def image_reference(text: str) -> str:
    """A name such as ``python:3.11-slim`` or ``ghcr.io/me/base@sha256:…``."""
    return _matching(IMAGE_REFERENCE, text, "an image name such as python:3.11-slim")


def image_tag(text: str) -> str:
    """A name that an image can be given: ``ghcr.io/me/iris:1.0``; a digest is nobody's to give."""
    return _matching(rf"(?!.*@){IMAGE_REFERENCE}", text, "--tag: the name of an image such as iris:1.0, in lower case")


def image_digest(text: str) -> str:
    """The digest of an image's manifest: ``sha256:…``."""
    return _matching(IMAGE_DIGEST, text, "the digest of an image such as sha256:0123…")


def system_package(text: str) -> str:
    """A name that a package manager may know, never one of its options."""
    return _matching(SYSTEM_PACKAGE, text, "docker.system_packages: a name such as libgomp1")


def variable(text: str) -> str:
    """The name of an environment variable."""
    return _matching(r"[A-Za-z_][A-Za-z0-9_]*", text, "the name of an environment variable")


def label(text: str) -> str:
    """The key of a label."""
    return _matching(r"[A-Za-z0-9][A-Za-z0-9._/-]*", text, "the key of a label")


def secret_id(text: str) -> str:
    """The id of a build secret, which is also its file name below ``/run/secrets``."""
    return _matching(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", text, "the id of a secret such as pip.conf")


def cuda_version(text: str) -> str:
    """Such as ``12.4`` or ``12.4.1``."""
    return _matching(r"[0-9]+\.[0-9]+(?:\.[0-9]+)?", text, "docker.cuda_version: a version such as 12.4")


def platform(text: str) -> str:
    """Such as ``linux/amd64`` or ``linux/arm/v7``."""
    return _matching(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?", text, "a platform such as linux/amd64")


def bento_path(text: str) -> str:
    """A path below the Bento's root, of the plain characters that its builder uses."""
    path = _matching(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+!-]*)*", text, "a path in the Bento")
    if ".." in path.split("/"):
        raise PlanError(f"'{path}' leaves the Bento")
    return path


def text_value(text: str, what: str) -> str:
    """Free text for one instruction: a Dockerfile has no way to write a line break or a NUL into it."""
    if re.search(r"[\n\r\0]", text):
        raise PlanError(f"{what}: a line break cannot stand in an image's configuration, found {text!r}")
    return text


def _matching(pattern: str, text: str, expected: str) -> str:
    if re.fullmatch(pattern, text) is None:
        raise PlanError(f"expected {expected}, found {text!r}")
    return text
