"""Puts the manifest together from the project, its models and its locked environment."""

from __future__ import annotations

from bentopack.bento.project import Project
from bentopack.bento.requirements import Environment
from bentopack.spec.manifest import FORMAT, ImageInfo, Manifest, ModelInfo, VariantInfo

SETUP_SCRIPT = "env/docker/setup_script"


def manifest_of(
    project: Project,
    models: tuple[ModelInfo, ...],
    environment: Environment,
    runtime: str,
    version: str | None,
) -> Manifest:
    """Return the manifest of the Bento that is about to be written."""
    spec = project.spec
    return Manifest(
        format=FORMAT,
        name=spec.name or project.service.name,
        version=version or spec.version,
        description=spec.description,
        labels=dict(sorted(spec.labels.items())),
        service=project.service,
        models=models,
        python=environment.python,
        runtime=runtime,
        envs=dict(spec.environment),
        image=_image(project),
        variants={
            variant: VariantInfo(
                platform=environment.platform,
                requirements=environment.requirements(variant),
                packages=environment.packages,
            )
            for variant in environment.variants
        },
        args=dict(spec.args),
    )


def _image(project: Project) -> ImageInfo:
    docker = project.spec.docker
    return ImageInfo(
        distro=docker.distro or "debian",
        base_image=docker.base_image,
        cuda_version=docker.cuda_version,
        system_packages=docker.system_packages,
        env=dict(docker.env),
        setup_script=SETUP_SCRIPT if docker.setup_script else None,
    )
