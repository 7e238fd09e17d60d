"""Chooses the base image of a variant from the tables and from what is locked, and says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from bentopack.errors import did_you_mean
from bentopack.image import validate
from bentopack.image.gpu import GpuNeeds, Packages, driver_of, read_needs
from bentopack.image.nvidia import CudaTag, cuda_release, differences, fitting_release, read_cuda_image, superseded
from bentopack.image.plan import LOCKED_GLIBC, Base, BaseFacts
from bentopack.image.table import DISTROS, MICROMAMBA_IMAGE, PYTHON_IMAGE, PYTHONS, CudaRelease, Distro
from bentopack.image.validate import PlanError
from bentopack.spec.manifest import ImageInfo


def choose_base(
    image: ImageInfo,
    *,
    variant: str,
    python: str,
    packages: Packages,
    override: str | None = None,
    found: BaseFacts | None = None,
) -> Base:
    """Choose the base of a variant.

    Args:
        image: what the bentofile asks for.
        variant: ``cpu`` or ``gpu``.
        python: the image's, such as ``3.11``.
        packages: what is locked for the variant.
        override: the command line's base image, which wins over the bentofile's.
        found: what a base of the user's own has; where that is not known, it is taken to have the right Python.

    Raises:
        PlanError: nothing in the table fits, or a name is not valid.
    """
    if python not in PYTHONS:
        raise PlanError(f"Python {python} has no base image", hint=f"supported: {', '.join(PYTHONS)}")
    base = _chosen(image, variant=variant, python=python, packages=packages, override=override, found=found)
    return _with_conda(base, found) if image.conda else base


def _chosen(
    image: ImageInfo, *, variant: str, python: str, packages: Packages, override: str | None, found: BaseFacts | None
) -> Base:
    needs = read_needs(packages)
    if name := override or image.base_image:
        told = "given with --base-image" if override else "given as docker.base_image in the bentofile"
        base = _given(name, told, image.distro, variant, needs)
        return base if found is None else _completed(base, python, found)
    if variant == "gpu":
        return _gpu(image, python, needs)
    return _plain(_distro(image.distro), python, warnings=tuple(_idle_cuda(needs)))


def _with_conda(base: Base, found: BaseFacts | None) -> Base:
    """A base whose Python is conda's: it needs glibc, and no Python of its own."""
    own = base.user_may_differ
    row = next((row for row in DISTROS if row.release == base.release and "{python}" in row.image and not own), None)
    if (row and row.bare is None) or (found and found.glibc is None):
        raise PlanError(
            f"conda: its packages need glibc, and {base.image} has another C library",
            hint="leave docker.distro out, or choose a base with glibc",
        )
    if row and row.bare:
        why = f"Python comes from conda, so it is {row.bare}"
        base = replace(base, image=row.bare, missing=("ca-certificates",), reasons=(*base.reasons, why))
    else:
        base = replace(base, reasons=(*base.reasons, "Python comes from conda"))
    return replace(base, interpreter_image=None, conda_image=MICROMAMBA_IMAGE, checked=False)


def follows_from_packages(image: ImageInfo, variant: str) -> bool:
    """Whether the base of a variant is known only once its packages are."""
    return variant == "gpu" and not image.base_image


def _given(image: str, reason: str, distro: str, variant: str, needs: GpuNeeds) -> Base:
    row = next((row for row in DISTROS if row.name == distro), None)
    base = Base(
        validate.image_reference(image),
        (reason,),
        row.package_manager if row else None,
        checked=True,
        user_may_differ=True,
        names_index=True,
    )
    tag = read_cuda_image(image)
    if variant != "gpu":
        return base
    base = replace(base, library_folders=needs.folders)
    warnings = (*_unsuited(tag, needs), *_without_gpu(needs)) if tag else tuple(_without_gpu(needs))
    return replace(base, reasons=(*needs.reasons(), reason), warnings=warnings)


def _completed(base: Base, python: str, found: BaseFacts) -> Base:
    """A base of the user's own with what it lacks."""
    if found.glibc and found.glibc < LOCKED_GLIBC:
        has, needs = (".".join(map(str, version)) for version in (found.glibc, LOCKED_GLIBC))
        raise PlanError(
            f"the base image {base.image} has glibc {has}, and packages are locked for {needs} and newer",
            hint="choose a newer base: Debian 10, Ubuntu 20.04, RHEL 8 and Amazon Linux 2023 have it",
        )
    base = replace(
        base, package_manager=found.package_manager, release=found.release, checked=False, names_index=found.names_index
    )
    if found.python == python:
        return base
    has = f"Python {found.python}" if found.python else "no Python with venv and a pip that is new enough"
    if found.glibc is None:
        raise PlanError(
            f"the base image {base.image} has {has}, and none can be brought to it: its C library is not glibc",
            hint=f"choose one with Python {python}, venv and pip 22.3 or newer",
        )
    return replace(
        base,
        interpreter_image=(interpreter := PYTHON_IMAGE.format(python=python)),
        warnings=(*base.warnings, f"{base.image} has {has}: Python {python} is brought to it, by way of {interpreter}"),
    )


def _plain(distro: Distro, python: str, warnings: tuple[str, ...] = ()) -> Base:
    brings_python = "{python}" in distro.image
    return Base(
        distro.image.format(python=python),
        (f"docker.distro is {distro.name}: {distro.about}",),
        distro.package_manager,
        distro.release,
        distro.missing,
        None if brings_python else PYTHON_IMAGE.format(python=python),
        warnings=warnings,
    )


def _gpu(image: ImageInfo, python: str, needs: GpuNeeds) -> Base:
    if image.cuda_version is None:
        raise PlanError("the gpu variant names no CUDA version", hint=ADD_CUDA_VERSION)
    if needs.libraries == "none" and needs.use_gpu and not needs.compiled:
        return _on_plain(image, python, needs)
    release = fitting_release(image.cuda_version, needs)
    distro = _distro_of_nvidia(image.distro, release)
    if needs.libraries == "none" and needs.use_gpu:
        return _compiled_on_plain(image, python, needs, release, distro)
    return _on_nvidia(image, python, needs, release, distro)


def _distro_of_nvidia(asked: str, release: CudaRelease) -> Distro:
    """The distribution of NVIDIA's that comes nearest to what is asked for: it has none of Debian."""
    rows = [row for row in DISTROS if row.release in release.distros]
    row = rows[0] if asked == "debian" else next((row for row in rows if row.name == asked), None)
    if row is None:
        raise PlanError(
            f"docker.distro: NVIDIA has no image of CUDA {release.version} for {asked!r} that bentopack can build on",
            hint=f"choose {' or '.join(row.name for row in rows)}, leave docker.distro out, or give docker.base_image",
        )
    return row


def _on_plain(image: ImageInfo, python: str, needs: GpuNeeds) -> Base:
    """No library of the base's is needed: NVIDIA's image would hold a second copy of gigabytes."""
    base = _plain(_distro(image.distro), python)
    return replace(
        base,
        reasons=(*needs.reasons(), f"nothing needs CUDA of the base, so it is a plain one; {base.reasons[0]}"),
        warnings=(*_without_compiler(needs, image), *_other_major(image, needs)),
        library_folders=needs.folders,
    )


def _compiled_on_plain(image: ImageInfo, python: str, needs: GpuNeeds, release: CudaRelease, distro: Distro) -> Base:
    """Compiled on NVIDIA's image, run on the distribution that it is made of: the same libraries of C and Python."""
    names = ", ".join(need.name for need in needs.compiled)
    return replace(
        _plain(distro, python),
        builder_image=release.image("devel", distro=distro.release),
        reasons=(
            *needs.reasons(),
            f"{names}: compiled with CUDA {release.version} on NVIDIA's devel image, in a stage that does not stay",
            f"nothing needs CUDA of the base, so it is what NVIDIA's image is made of: {distro.about}",
        ),
        warnings=(*_without_compiler(needs, image), *differences("the builder", release.version, needs)),
        library_folders=needs.folders,
    )


def _on_nvidia(image: ImageInfo, python: str, needs: GpuNeeds, release: CudaRelease, distro: Distro) -> Base:
    known = needs.use_gpu
    cudnn = needs.libraries != "runtime"
    kind: Literal["runtime", "devel"] = "devel" if needs.libraries == "devel" else "runtime"
    reasons = [*needs.reasons()]
    if not known:
        reasons.append("what the packages need of CUDA is not known, so the base has all of it")
    asked = image.cuda_version
    told = (
        f"CUDA {release.minor} fits them all"
        if asked == "default" and needs.demanding
        else f"docker.cuda_version is {asked}"
    )
    reasons.append(f"{told}: {release.version} is its last point release, the one that NVIDIA keeps")
    reasons.append(
        f"its {kind} image{' with cuDNN' if cudnn else ''} is made of {distro.release}"
        f"{'; there is none of debian' if image.distro == 'debian' else ''}"
    )
    reasons.append(f"the host needs driver {driver_of(release.version)} or newer")
    return Base(
        release.image(kind, cudnn=cudnn, distro=distro.release),
        tuple(reasons),
        distro.package_manager,
        distro.release,
        missing=("ca-certificates",),
        interpreter_image=PYTHON_IMAGE.format(python=python),
        builder_image=release.image("devel", cudnn=cudnn, distro=distro.release)
        if needs.compiled and kind == "runtime"
        else None,
        warnings=(
            *_without_gpu(needs),
            *_without_compiler(needs, image),
            *differences("the base", release.version, needs),
        ),
        library_folders=needs.folders,
    )


def _without_gpu(needs: GpuNeeds) -> Iterator[str]:
    """Yield warnings where nothing in the gpu variant uses a GPU."""
    if needs.use_gpu:
        return
    for need in needs.found:
        yield f"{need.name} {need.row.about}" + (f"; {need.row.instead} uses a GPU" if need.row.instead else "")
    yield "no package of the gpu variant is known to use a GPU"


def _without_compiler(needs: GpuNeeds, image: ImageInfo) -> Iterator[str]:
    """Yield a warning for what compiles C while it serves, where nothing is installed to do it."""
    has_one = {"gcc", "build-essential", "build-base", "clang"}.intersection(image.system_packages)
    if needs.libraries != "devel" and not has_one and (need := next((n for n in needs.found if n.row.needs_cc), None)):
        yield f"{need.name} compiles kernels while it serves: add gcc and libc6-dev to docker.system_packages"


def _idle_cuda(needs: GpuNeeds) -> Iterator[str]:
    if needs.brought:
        yield (
            f"the packages of the cpu variant bring CUDA {needs.brought}, which nothing there uses: let "
            "python.torch_index choose the build, or leave out what asks for them"
        )


def _other_major(image: ImageInfo, needs: GpuNeeds) -> Iterator[str]:
    if not needs.brought or image.cuda_version in (None, "default"):
        return
    asked = cuda_release(str(image.cuda_version))
    if needs.brought.partition(".")[0] != asked.major:
        yield f"the packages bring CUDA {needs.brought}, docker.cuda_version is {asked.minor}: they need another driver"


def _unsuited(tag: CudaTag, needs: GpuNeeds) -> Iterator[str]:
    """Yield what is wrong with an image of NVIDIA's that the user chose."""
    if kept := superseded(tag):
        yield f"NVIDIA deletes superseded point releases such as CUDA {tag.version}; {kept} is the last one"
    if needs.libraries != "none" and tag.kind == "base":
        yield f"{needs.demanding[0].name} needs CUDA's libraries, and a base image of NVIDIA's has none"
    elif needs.libraries in ("cudnn", "devel") and not tag.cudnn:
        yield f"{needs.demanding[0].name} needs cuDNN, and this image of NVIDIA's has none"
    yield from differences("the base", tag.version, needs)


def _distro(name: str) -> Distro:
    for row in DISTROS:
        if row.name == name:
            return row
    known = [row.name for row in DISTROS]
    raise PlanError(f"docker.distro: expected one of {', '.join(known)}, found {name!r}{did_you_mean(name, known)}")


ADD_CUDA_VERSION = (
    'add it to bentofile.yaml and build again:\n  docker:\n    cuda_version: "12.4"   # quoted, or YAML reads a number'
)
