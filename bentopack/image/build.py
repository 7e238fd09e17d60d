"""Builds an image out of a Bento's folder with a builder's own command line."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import ImageBuildError
from bentopack.image import validate
from bentopack.image.build_options import BuildOptions
from bentopack.image.builder import Builder, write_dockerfile
from bentopack.image.dialect import BUILDAH, BUILDKIT, with_frontend
from bentopack.image.engine import ImageFacts
from bentopack.image.failure import build_failed
from bentopack.image.labels import rfc3339
from bentopack.image.model_images import model_images
from bentopack.image.plan import ImagePlan
from bentopack.image.render import CA_BUNDLE, INSTALL_BUILDX, render_dockerfile, render_dockerignore, require_mounts
from bentopack.image.running import run
from bentopack.image.secrets import Secret, beside_usual
from bentopack.image.validate import PlanError
from bentopack.oci.image import Image
from bentopack.oci.layout import read_layout

_BUNDLE = "ca-bundle.pem"


def build_image(
    builder: Builder,
    bento: Path,
    plan: ImagePlan,
    options: BuildOptions,
    *,
    environ: Mapping[str, str],
    reporter: Reporter,
) -> ImageFacts:
    """Build ``plan`` with the folder ``bento`` as context; nothing is written into that folder.

    Args:
        builder: what builds.
        bento: the Bento's folder.
        plan: what the image is to be.
        options: tags, labels, secrets and what else the user asked.
        environ: the environment of the builder, so that it finds its engine and its settings.
        reporter: gets every line that the build prints.

    Raises:
        ImageBuildError: the build failed; the message holds the failing step and its last lines. Or the image would
            hold files that the service may not read.
        PlanError: a tag is no image name, or the builder does not know what is asked of it.
    """
    _require_readable(bento, plan)
    with tempfile.TemporaryDirectory(prefix="bentopack-build-") as scratch:
        _run(builder, bento, Path(scratch), plan, options, environ=environ, reporter=reporter)
        image = Path(scratch, "id").read_text().strip()
    return builder.inspect(image)


def export_image(
    builder: Builder,
    bento: Path,
    plan: ImagePlan,
    options: BuildOptions,
    *,
    environ: Mapping[str, str],
    reporter: Reporter,
    folder: Path,
) -> Image:
    """Have BuildKit write what it has just built into a folder, every time in it settled by ``options.epoch``.

    Its steps are all in its cache. In the engine's own store it cannot settle times: what it exports there is
    unpacked there too, as it was built (https://docs.docker.com/build/ci/github-actions/reproducible-builds/).

    Raises:
        ImageBuildError: it fails.
    """
    (layout := folder / "layout").mkdir()
    again = replace(options, tags=(), no_cache=False, cache_to=())
    goal = f"type=oci,tar=false,rewrite-timestamp=true,dest={layout}"
    more = ["--provenance=false", "--output", goal]
    _run(builder, bento, folder, plan, again, environ=environ, reporter=reporter, more=more)
    return read_layout(layout, plan.platform)


def _run(
    builder: Builder,
    bento: Path,
    folder: Path,
    plan: ImagePlan,
    options: BuildOptions,
    *,
    environ: Mapping[str, str],
    reporter: Reporter,
    more: Sequence[str] = (),
) -> None:
    """Write the Dockerfile into ``folder``, and run the build."""
    dialect, secrets = with_frontend(builder.dialect, options.syntax), [secret.id for secret in options.secrets]
    images = model_images(builder, bento, plan, environ=environ, reporter=reporter)
    trusting = options.ca_bundle is not None
    created = rfc3339(options.epoch) if options.epoch is not None and dialect == BUILDAH else None
    dockerfile = render_dockerfile(
        plan, dialect, secrets=secrets, ca_bundle=trusting, model_images=images, created=created
    )
    write_dockerfile(folder, dockerfile, render_dockerignore(plan, elsewhere=images))
    if options.ca_bundle:
        (folder / _BUNDLE).write_bytes(beside_usual(options.ca_bundle, environ))
    command = build_command(builder, bento, folder, plan, options, more)
    code, log = run(command, {**environ, **builder.environment}, reporter)
    if code:
        raise build_failed(log)


def require_understood(builder: Builder, options: BuildOptions) -> None:
    """Refuse what a builder does not know, before anything is built or sent.

    Raises:
        PlanError: names the option.
    """
    with_frontend(builder.dialect, options.syntax)
    for goal in options.cache_to:
        _cache_to(builder, goal)
    require_mounts(builder.dialect, secrets=bool(options.secrets), ca_bundle=options.ca_bundle is not None)


def build_command(
    builder: Builder, bento: Path, folder: Path, plan: ImagePlan, options: BuildOptions, more: Sequence[str] = ()
) -> list[str]:
    """The builder's arguments; ``folder`` holds the Dockerfile and what is trusted, and gets the image's id.

    Raises:
        PlanError: the builder does not know what is asked of it.
    """
    # The plan's platform, even where it is the engine's own: packages were locked for it.
    command = [*builder.begin(folder, plan.platform), "--iidfile", str(folder / "id")]
    for tag in options.tags:
        command += ["--tag", validate.image_tag(tag)]
    for key, value in sorted(options.labels.items()):
        command += ["--label", f"{key}={value}"]
    if options.no_cache:
        command += ["--no-cache"]
    for source in options.cache_from:
        command += ["--cache-from", source]
    for goal in options.cache_to:
        command += _cache_to(builder, goal)
    if options.epoch is not None and builder.dialect.mounts:  # known to BuildKit since 0.11, and harmless before
        command += ["--build-arg", f"SOURCE_DATE_EPOCH={options.epoch}"]
    if options.epoch is not None and builder.dialect == BUILDAH:  # the times of what it writes too
        command += ["--timestamp", str(options.epoch)]
    for argument in options.build_args:
        command += ["--build-arg", argument]
    trusted = [Secret(CA_BUNDLE, folder / _BUNDLE)] if options.ca_bundle else []
    for secret in (*options.secrets, *trusted):
        command += ["--secret", secret.option]
    return [*command, *more, str(bento.absolute())]


def _cache_to(builder: Builder, goal: str) -> list[str]:
    if builder.exports_cache:
        return ["--cache-to", goal]
    if goal == "type=inline" and builder.dialect == BUILDKIT:  # the one that it has without the plugin
        return ["--build-arg", "BUILDKIT_INLINE_CACHE=1"]
    hint = "give the address of a repository, as podman build does" if builder.dialect == BUILDAH else INSTALL_BUILDX
    raise PlanError(f"--cache-to {goal}: {builder.name} cannot export a cache there", hint=hint)


def _require_readable(bento: Path, plan: ImagePlan) -> None:
    """Refuse what was unpacked under a strict umask: COPY keeps modes, and the service is only of root's group."""
    for layer in plan.of("model", "manifest", "source"):
        top = bento / layer.paths[0]
        for path in (top, *top.rglob("*")):
            needed = 0o050 if path.is_dir() else 0o040
            if path.stat().st_mode & needed != needed:
                raise ImageBuildError(
                    f"{path}: its group may not read it, and so the service in the image could not",
                    hint=f"chmod -R g+rX {shlex.quote(str(bento))}",
                )
