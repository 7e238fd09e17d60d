"""Plans an image, from the manifest and what is locked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from bentopack.image import validate
from bentopack.image.bases import ADD_CUDA_VERSION, choose_base
from bentopack.image.plan import BENTO, CONDA, INTERPRETER, PORT, VENV, Base, BaseFacts, HealthCheck, ImagePlan, Layer
from bentopack.image.system import missing_packages
from bentopack.image.validate import PlanError
from bentopack.lock.requirements import has_own_index, locked_versions
from bentopack.spec.manifest import Manifest, ModelInfo, VariantInfo, conda_list
from bentopack.tag import is_name, is_version

_DESCRIPTION_LENGTH = 200


def plan_image(
    manifest: Manifest,
    requirements: str,
    *,
    variant: str = "cpu",
    platform: str | None = None,
    base_image: str | None = None,
    template: str | None = None,
    found: BaseFacts | None = None,
) -> ImagePlan:
    """Plan the image of one variant of a Bento.

    Args:
        manifest: what the Bento says of itself.
        requirements: the text of the variant's hashed requirements: what is locked decides what the base has to have,
            and where it comes from, what installs it.
        variant: ``cpu`` or ``gpu``.
        platform: such as ``linux/arm64``; the variant's own where None.
        base_image: wins over the bentofile's.
        template: the text of the user's own template of a Dockerfile.
        found: what a base of the user's own has, where somebody has looked.

    Raises:
        PlanError: the Bento has no such variant, or asks for what no image can be.
    """
    info = require_variant(manifest, variant)
    image = manifest.image
    base = choose_base(
        image,
        variant=variant,
        python=manifest.python,
        packages=locked_versions(requirements),
        override=base_image,
        found=found,
    )
    # The lock's digest is of the base that was chosen then; another release may choose another, or the caller does.
    if info.base and info.base.digest and info.base.image == base.image and not base.pinned:
        base = replace(base, digest=validate.image_digest(info.base.digest))
    environment = _environment(manifest, variant, base)
    folders = tuple(f"{_site_packages(manifest)}/{folder}" for folder in base.library_folders)
    own_path = "LD_LIBRARY_PATH" in dict(environment)
    return ImagePlan(
        base=base,
        variant=variant,
        platform=validate.platform(platform or info.platform),
        python=manifest.python,
        layers=tuple(_layers(manifest, base, variant)),
        environment=environment,
        labels=_labels(manifest),
        port=_port(dict(environment)),
        health_check=HealthCheck((f"{VENV}/bin/python", "-m", "bentopack.serve.healthcheck")),
        installer="pip" if has_own_index(requirements) or base.names_index else "uv",
        template=template,
        library_folders=() if own_path else folders,
        notes=(
            *base.warnings,
            *_notes(platform, info.platform),
            *(_told_elsewhere(folders) if own_path and folders else ()),
        ),
    )


def require_variant(manifest: Manifest, variant: str) -> VariantInfo:
    """Return what the manifest says of a variant.

    Raises:
        PlanError: it has none such.
    """
    if variant in manifest.variants:
        return manifest.variants[variant]
    hint = ADD_CUDA_VERSION if variant == "gpu" else f"it has: {', '.join(manifest.variants)}"
    raise PlanError(f"the Bento {manifest.name} has no {variant} variant", hint=hint)


def _layers(manifest: Manifest, base: Base, variant: str) -> Iterable[Layer]:
    info = manifest.variants[variant]
    if base.interpreter_image:
        yield Layer("interpreter", f"Python {manifest.python}", target=INTERPRETER)
    packages = _system_packages(base, manifest.image.system_packages)
    if packages:
        yield Layer("system", ", ".join(packages), packages=packages)
    if base.conda_image:
        yield Layer("conda", f"Python {manifest.python} and what else comes from conda", (conda_list(variant),), CONDA)
    folder = validate.bento_path(info.requirements).rpartition("/")[0] or "."
    yield Layer("python", f"{info.packages} Python packages", (folder, info.requirements), VENV)
    runtime = validate.bento_path(manifest.runtime)
    yield Layer("runtime", "the serving runtime", (runtime,), f"{_site_packages(manifest)}/")
    if manifest.image.setup_script:
        yield Layer("setup", "what the setup script changes", (validate.bento_path(manifest.image.setup_script),))
    for model in manifest.models:
        yield _model(model)
    yield Layer("manifest", "the manifest", ("bento.yaml",), f"{BENTO}/bento.yaml")
    yield Layer("source", "the source", ("src",), f"{BENTO}/src/")


def _site_packages(manifest: Manifest) -> str:
    return f"{VENV}/lib/python{manifest.python}/site-packages"


def _model(model: ModelInfo) -> Layer:
    if not (is_name(model.name) and is_version(model.version)):
        raise PlanError(f"'{model.name}:{model.version}' is not a valid tag of a model")
    return Layer("model", f"model {model.name}:{model.version}", (model.path,), f"{BENTO}/{model.path}/")


def _system_packages(base: Base, asked: tuple[str, ...]) -> tuple[str, ...]:
    manager = base.package_manager
    if manager is None:
        if asked:
            raise PlanError(
                "docker.system_packages: how to install them on this docker.distro is not known",
                hint="install them in the base image, or in docker.setup_script",
            )
        return ()
    names = [validate.system_package(name) for name in asked]
    if absent := list(missing_packages(names, release=base.release, manager=manager)):
        raise PlanError(
            "\n".join(
                f"docker.system_packages: {base.release or base.image} has no {name}; take {instead}"
                for name, instead in absent
            )
        )
    return tuple(sorted({*base.missing, *names}))


def _environment(manifest: Manifest, variant: str, base: Base) -> tuple[tuple[str, str], ...]:
    given = {name: value for name, value in manifest.envs.items() if value}
    merged = {
        # Logs leave at once; nobody writes bytecode, as the files belong to root and have theirs already.
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        # A uid that /etc/passwd does not know has no home; libraries that keep a cache there need some place.
        "HOME": "/tmp",  # noqa: S108 - the container's own
        **(_NVIDIA if variant == "gpu" else {}),
        **({"CONDA_PREFIX": CONDA} if base.conda_image else {}),
        **manifest.image.env,
        **given,
    }
    return tuple((validate.variable(name), validate.text_value(value, name)) for name, value in merged.items())


# https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/: what the runtime mounts into the container.
_NVIDIA = {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}


def _labels(manifest: Manifest) -> tuple[tuple[str, str], ...]:
    given = manifest.labels.items()
    labels = {validate.label(key): validate.text_value(value, f"labels.{key}") for key, value in given}
    labels["org.opencontainers.image.title"] = validate.text_value(manifest.name, "name")
    if manifest.license:
        labels.setdefault("org.opencontainers.image.licenses", validate.text_value(manifest.license, "license"))
    if summary := _summary(manifest.description or ""):
        labels["org.opencontainers.image.description"] = validate.text_value(summary, "description")
    return tuple(sorted(labels.items()))


def _summary(markdown: str) -> str:
    """The first paragraph in one line, since a description may be a whole README; a heading where there is no other."""
    headings, texts = [], []
    for block in re.split(r"\n[ \t\r]*\n", markdown):
        lines = block.strip().splitlines()
        headings += [line for line in lines if line.startswith("#")]
        texts.append(" ".join(" ".join(line for line in lines if not line.startswith("#")).split()))
    first = next(filter(None, texts), None) or next((line.strip("# \t") for line in headings), "")
    return first if len(first) <= _DESCRIPTION_LENGTH else f"{first[: _DESCRIPTION_LENGTH - 1].rstrip()}…"


def _port(environment: dict[str, str]) -> int:
    port = environment.get("PORT", str(PORT))
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise PlanError(f"PORT: expected a number from 1 to 65535, found {port!r}")
    return int(port)


def _told_elsewhere(folders: tuple[str, ...]) -> Iterable[str]:
    yield f"LD_LIBRARY_PATH is set in the bentofile: it has to name the packages' libraries too, {':'.join(folders)}"


def _notes(asked: str | None, locked: str) -> tuple[str, ...]:
    if asked and asked != locked:
        return (f"the Bento's packages were locked for {locked}; some may have no wheel for {asked}",)
    return ()
