"""NVIDIA's CUDA images: which release of them, and what a tag that the user gives says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bentopack.image import validate
from bentopack.image.gpu import GpuNeeds, Need, number_of
from bentopack.image.table import CUDA, DEFAULT_CUDA, CudaRelease
from bentopack.image.validate import PlanError

_IMAGE = re.compile(r"(?:docker\.io/|nvcr\.io/)?nvidia/cuda(?::(?P<tag>[^@]+))?(?:@.*)?")
_TAG = re.compile(
    r"(?P<version>\d+\.\d+\.\d+)-(?:cudnn(?P<cudnn>\d*)-)?(?P<kind>base|runtime|devel)-(?P<distro>[a-z]+[\d.]+)"
)


@dataclass(frozen=True)
class CudaTag:
    """What the tag of an image of NVIDIA's says of it."""

    version: str
    cudnn: bool
    kind: str


def read_cuda_image(image: str) -> CudaTag | None:
    """Read the name of an image as one of NVIDIA's, or return None where it is another's.

    Raises:
        PlanError: NVIDIA has no image of such a name.
    """
    named = _IMAGE.fullmatch(image)
    if named is None:
        return None
    tag = named["tag"]
    if tag is None and "@" in image:
        return None
    found = _TAG.fullmatch(tag or "")
    if found is None or (found["kind"] == "base" and found["cudnn"] is not None):
        raise PlanError(f"NVIDIA has no image {image}: {_why_not(tag)}", hint=f"such as {CUDA[-1].image()}")
    return CudaTag(found["version"], found["cudnn"] is not None, found["kind"])


def cuda_release(version: str) -> CudaRelease:
    """Find the last point release of ``12.4``, of ``12.4.0``, or of the ``default``.

    Raises:
        PlanError: NVIDIA has no such image any more, or never had.
    """
    asked = DEFAULT_CUDA if version == "default" else validate.cuda_version(version)
    release = _last_point(asked)
    if release is None:
        known = ", ".join(release.minor for release in CUDA)
        raise PlanError(f"docker.cuda_version: no image of CUDA {version!r} is known", hint=f"choose one of {known}")
    return release


def fitting_release(version: str, needs: GpuNeeds) -> CudaRelease:
    """Find the release to start from.

    It is the one that is asked for. For ``default`` it is one that every package runs with: that of the CUDA which
    packages bring, so that there is no second one, else the usual one, else the newest.

    Raises:
        PlanError: a package was built for another CUDA or cuDNN.
    """
    if version != "default":
        release = cuda_release(version)
        for need in needs.demanding:
            if not _fits(release, need):
                raise PlanError(
                    f"{need.name} needs {_wanted(need)}, docker.cuda_version is {version}", hint=_other_version(needs)
                )
        return release
    brought = _last_point(needs.brought) if needs.brought else None
    for release in (*filter(None, [brought]), cuda_release(version), *reversed(CUDA)):
        if all(_fits(release, need) for need in needs.demanding):
            return release
    wanted = "; ".join(f"{need.name} needs {_wanted(need)}" for need in needs.demanding)
    raise PlanError(
        f"no image of NVIDIA's has all of CUDA that the packages need: {wanted}", hint=_other_version(needs)
    )


def superseded(tag: CudaTag) -> str | None:
    """Return the point release that NVIDIA keeps in place of that of a tag, where there is a newer one."""
    release = _last_point(tag.version)
    return release.version if release and release.version != tag.version else None


def _last_point(version: str) -> CudaRelease | None:
    minor = ".".join(version.split(".")[:2])
    return next((release for release in CUDA if release.minor == minor), None)


def _fits(release: CudaRelease, need: Need) -> bool:
    row = need.row
    if row.cuda not in ("", release.major) or row.cudnn not in ("", release.cudnn_major):
        return False
    return number_of(row.least or "0") <= number_of(release.minor) <= number_of(row.most or "99")


def _wanted(need: Need) -> str:
    row = need.row
    exact = f"{row.least} or newer" if row.least else f"{row.most} or older" if row.most else row.cuda
    return f"CUDA {exact}" + (f" with cuDNN {row.cudnn}" if row.cudnn else "")


def _other_version(needs: GpuNeeds) -> str:
    fitting = [each.minor for each in CUDA if all(_fits(each, need) for need in needs.demanding)]
    ways = [f'set docker.cuda_version: "{fitting[-1]}"'] if fitting else []
    ways += [f"ask for {need.row.instead}, which brings it" for need in needs.demanding if need.row.instead]
    return ", or ".join([*ways, "give docker.base_image"])


def _why_not(tag: str | None) -> str:
    if tag is None or tag == "latest":
        return "there is no latest"
    return "tags are X.Y.Z-[cudnn-]base|runtime|devel-DISTRO, and base has no cuDNN"


def differences(where: str, version: str, needs: GpuNeeds) -> Iterator[str]:
    """Yield a warning where packages bring another CUDA than there is where they are installed or run."""
    minor = ".".join(version.split(".")[:2])
    if needs.brought and needs.brought != minor:
        yield (
            f"{where} has CUDA {minor}, and the packages bring {needs.brought}: what loads or compiles with both may "
            "fail; docker.cuda_version can be that of the packages"
        )
