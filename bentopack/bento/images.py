"""What a build needs to know of images. The image room knows it, above this one; the command line hands it in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bentopack.bento.project import Project
from bentopack.lock.lockfile import LockedBase
from bentopack.lock.make import ChooseBase
from bentopack.spec.conda import read_conda
from bentopack.spec.manifest import ImageInfo, Manifest

SETUP_SCRIPT = "env/docker/setup_script"
TEMPLATE = "env/docker/Dockerfile.template"


class Images(Protocol):
    """Chooses bases, pins them, and renders Dockerfiles."""

    def base(self, image: ImageInfo, variant: str, python: str) -> str | ChooseBase:
        """Return the name of a variant's base image, or what chooses it by its packages; asks no one."""

    def cuda(self, version: str) -> str:
        """Return what ``docker.cuda_version`` comes to, as ``12.4``, or the version as it is where none is known."""

    def pin(self, name: str) -> LockedBase:
        """Ask for the digest of an image; where there is none, say why in it."""

    def dockerfiles(
        self, manifest: Manifest, requirements: Mapping[str, str], template: str | None
    ) -> Mapping[str, bytes]:
        """Render the files of ``env/docker``, by their path in the Bento.

        Args:
            manifest: the Bento's.
            requirements: the text of each variant's hashed requirements.
            template: the text of the user's own template, where there is one.
        """


def image_info(project: Project) -> ImageInfo:
    """What the project's bentofile asks of the image."""
    docker = project.spec.docker
    return ImageInfo(
        distro=docker.distro or "debian",
        base_image=docker.base_image,
        cuda_version=docker.cuda_version,
        system_packages=docker.system_packages,
        env=dict(docker.env),
        setup_script=SETUP_SCRIPT if docker.setup_script else None,
        dockerfile_template=TEMPLATE if docker.dockerfile_template else None,
        conda=read_conda(project.spec.conda, project.path) is not None,
    )
