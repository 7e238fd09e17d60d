"""Plans the image of a Bento that lies on this machine: reads what the plan follows from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from bentopack._fs import FileEntry
from bentopack._memo import remembered
from bentopack.bento.digest import read_files
from bentopack.errors import IntegrityError
from bentopack.image import validate
from bentopack.image.keys import with_keys
from bentopack.image.plan import BaseFacts, ImagePlan
from bentopack.image.validate import PlanError

_PLAN = "plan.json"


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
    files = read_files(bento)
    asked = msgspec.json.encode([variant, platform, base_image, found])
    made = remembered(
        "plan",
        [asked, *_decisive(files)],
        lambda: {_PLAN: msgspec.json.encode(_planned(bento, variant, platform, base_image, found))},
    )
    return with_keys(msgspec.json.decode(made[_PLAN], type=ImagePlan), files)


def _decisive(files: Iterable[FileEntry]) -> list[str]:
    """What of a Bento a plan follows from: its manifest, and what is locked; neither its source nor its models."""
    return [f"{file.sha256} {file.path}" for file in files if file.path == "bento.yaml" or file.path.startswith("env/")]


def _planned(
    bento: Path, variant: str, platform: str | None, base_image: str | None, found: BaseFacts | None
) -> ImagePlan:
    from bentopack.bento.packages import read_requirements
    from bentopack.image.planner import plan_image, require_variant
    from bentopack.spec.manifest import read_manifest

    manifest = read_manifest(bento)
    require_variant(manifest, variant)
    own = manifest.image.dockerfile_template
    template = _template(bento / validate.bento_path(own)) if own else None
    return plan_image(
        manifest,
        read_requirements(bento, manifest, variant),
        variant=variant,
        platform=platform,
        base_image=base_image,
        template=template,
        found=found,
    )


def _template(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise PlanError("docker.dockerfile_template: not UTF-8 text") from None
    except FileNotFoundError:
        raise IntegrityError(f"there is no {path}: the Bento is not whole") from None
