"""Plans the image of a Bento that lies on this machine: reads what the plan follows from."""

from __future__ import annotations

from pathlib import Path

from bentopack.bento.digest import read_files
from bentopack.bento.packages import read_requirements
from bentopack.errors import IntegrityError
from bentopack.image import validate
from bentopack.image.bases import BaseFacts
from bentopack.image.keys import with_keys
from bentopack.image.plan import ImagePlan, plan_image, require_variant
from bentopack.image.validate import PlanError
from bentopack.spec.manifest import read_manifest


def plan_bento(
    bento: Path,
    *,
    variant: str = "cpu",
    platform: str | None = None,
    base_image: str | None = None,
    found: BaseFacts | None = None,
) -> ImagePlan:
    """Plan the image of one variant of a Bento; its files are taken to be what ``SHA256SUMS`` says.

    Raises:
        PlanError, NotFound, IntegrityError: see :func:`plan_image`, :func:`read_manifest` and :func:`read_files`.
    """
    manifest = read_manifest(bento)
    require_variant(manifest, variant)
    own = manifest.image.dockerfile_template
    template = _template(bento / validate.bento_path(own)) if own else None
    plan = plan_image(
        manifest,
        read_requirements(bento, manifest, variant),
        variant=variant,
        platform=platform,
        base_image=base_image,
        template=template,
        found=found,
    )
    return with_keys(plan, read_files(bento))


def _template(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise PlanError("docker.dockerfile_template: not UTF-8 text") from None
    except FileNotFoundError:
        raise IntegrityError(f"there is no {path}: the Bento is not whole") from None
