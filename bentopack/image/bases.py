"""Chooses the base image from the table, and says why."""

from __future__ import annotations

from dataclasses import dataclass

from bentopack.errors import did_you_mean
from bentopack.image import validate
from bentopack.image.table import (
    CUDA,
    DEFAULT_CUDA,
    DISTROS,
    PYTHON_IMAGE,
    PYTHONS,
    REFUSED_DISTROS,
    CudaRelease,
    Distro,
    PackageManager,
)
from bentopack.image.validate import PlanError


@dataclass(frozen=True)
class Base:
    """The image to start from.

    ``interpreter_image`` is set where the base has no Python of the right version: a stage of that image fetches one,
    and it is copied over. ``checked`` says that the base is the user's own, so that the build first looks whether the
    right Python is in it. ``digest`` pins the image to the bytes that it had when it was locked.
    """

    image: str
    reason: str
    package_manager: PackageManager | None = "apt"
    missing: tuple[str, ...] = ()
    interpreter_image: str | None = None
    checked: bool = False
    digest: str | None = None

    @property
    def reference(self) -> str:
        """What FROM names: the image, by its digest where that is known."""
        return f"{self.image}@{self.digest}" if self.digest and "@" not in self.image else self.image


def choose_base(
    *, variant: str, python: str, distro: str, cuda_version: str | None, base_image: str | None, override: str | None
) -> Base:
    """Choose the base of a variant.

    ``base_image`` is the bentofile's wish, ``override`` the command line's, which wins.

    Raises:
        PlanError: nothing in the table fits, or a name is not valid.
    """
    if python not in PYTHONS:
        raise PlanError(f"Python {python} has no base image", hint=f"supported: {', '.join(PYTHONS)}")
    if override:
        return _given(override, "given with --base-image", distro)
    if base_image:
        return _given(base_image, "given as docker.base_image in the bentofile", distro)
    if variant == "gpu":
        return _cuda(distro, cuda_version, python)
    return _plain(_distro(distro), python)


def cuda_release(version: str) -> CudaRelease:
    """Find the last point release of ``12.4``, of ``12.4.0``, or of the ``default``.

    Raises:
        PlanError: NVIDIA has no such image any more, or never had.
    """
    asked = DEFAULT_CUDA if version == "default" else validate.cuda_version(version)
    minor = ".".join(asked.split(".")[:2])
    for release in CUDA:
        if release.minor == minor:
            return release
    known = ", ".join(release.minor for release in CUDA)
    raise PlanError(f"docker.cuda_version: no image of CUDA {version!r} is known", hint=f"choose one of {known}")


def _given(image: str, reason: str, distro: str) -> Base:
    managers = {row.name: row.package_manager for row in DISTROS}
    return Base(validate.image_reference(image), reason, managers.get(distro), checked=True)


def _plain(distro: Distro, python: str) -> Base:
    brings_python = "{python}" in distro.image
    return Base(
        distro.image.format(python=python),
        f"docker.distro is {distro.name}: {distro.about}",
        distro.package_manager,
        distro.missing,
        None if brings_python else PYTHON_IMAGE.format(python=python),
    )


def _cuda(distro: str, version: str | None, python: str) -> Base:
    if version is None:
        raise PlanError("the gpu variant names no CUDA version", hint=ADD_CUDA_VERSION)
    if distro not in ("debian", "ubuntu"):
        raise PlanError(
            f"docker.distro: NVIDIA has no CUDA image for {distro!r} that bentopack can build on",
            hint="leave docker.distro out, or give docker.base_image",
        )
    release = cuda_release(version)
    reason = f"docker.cuda_version is {version}: {release.version} is its last point release, the one NVIDIA keeps"
    reason += f"; with cuDNN, on {release.distros[0]}"
    reason += f" (there is none on {distro}); " if distro == "debian" else "; "
    reason += f"the host needs driver {release.driver} or newer"
    return Base(release.image, reason, "apt", interpreter_image=PYTHON_IMAGE.format(python=python))


def _distro(name: str) -> Distro:
    for row in DISTROS:
        if row.name == name:
            return row
    known = [row.name for row in DISTROS]
    if name in REFUSED_DISTROS:
        raise PlanError(
            f"docker.distro: {name} is not supported yet",
            hint=f"choose one of {', '.join(known)}, or give docker.base_image",
        )
    raise PlanError(f"docker.distro: expected one of {', '.join(known)}, found {name!r}{did_you_mean(name, known)}")


ADD_CUDA_VERSION = (
    'add it to bentofile.yaml and build again:\n  docker:\n    cuda_version: "12.4"   # quoted, or YAML reads a number'
)
