"""Puts the manifest together from the project, its models and its locked environment."""

from __future__ import annotations

from bentopack.bento.images import image_info
from bentopack.bento.project import Project
from bentopack.bento.requirements import Environment
from bentopack.spec.licence import project_licence
from bentopack.spec.manifest import FORMAT, BaseInfo, Manifest, ModelInfo, VariantInfo


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
        license=project_licence(project.path),
        labels=dict(sorted(spec.labels.items())),
        service=project.service,
        models=models,
        python=environment.target.python,
        runtime=runtime,
        envs=dict(spec.environment),
        image=image_info(project),
        variants={
            variant: VariantInfo(
                platform=environment.target.platform,
                requirements=environment.requirements(variant),
                packages=len(locked.packages),
                base=BaseInfo(image=locked.base.image, digest=locked.base.digest),
            )
            for variant, locked in environment.variants.items()
        },
        args=dict(spec.args),
    )
