"""``containerize`` by a builder: an image that a build makes, and where it goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bentopack._report import Reporter
    from bentopack.cli.compiled import Goals
    from bentopack.cli.target import ResolvedBento
    from bentopack.image.build_options import BuildOptions
    from bentopack.image.builder import Builder
    from bentopack.image.plan import ImagePlan
    from bentopack.oci.registry import Registries


def build_and_push(
    builder: Builder,
    bento: ResolvedBento,
    plan: ImagePlan,
    options: BuildOptions,
    goals: Goals,
    facts: dict[str, Any],
    reporter: Reporter,
) -> None:
    """Build, push where that is asked for, and add to ``facts`` what came of it as soon as it is so.

    Raises:
        ImageBuildError, PlanError, RegistryError, UnusableKey: see the rooms that do it.
    """
    from contextlib import suppress
    from dataclasses import replace

    from bentopack.bento.origin import origin_of
    from bentopack.cli.pushed import image_facts, require_images
    from bentopack.cli.registry import reach
    from bentopack.errors import RegistryError
    from bentopack.image.build import build_image
    from bentopack.image.labels import bento_labels

    for note in plan.notes:
        reporter.warn(note)
    labels = bento_labels(bento.tag, bento.digest, plan, origin=origin_of(bento.tag, bento.digest), epoch=options.epoch)
    options = replace(options, tags=options.tags or (str(bento.tag),), labels=labels)
    if goals.push:
        # The builder may know a way to a registry that we do not.
        registries = reach(goals.ca_bundle, goals.insecure, tries=1)
        for tag in options.tags:
            with suppress(RegistryError):
                require_images(registries, [tag])
    reporter.step(f"building {options.tags[0]} on {plan.base.image} with {builder.name}")
    image = build_image(builder, bento.path, plan, options, environ=os.environ, reporter=reporter)
    facts |= image_facts(options.tags, bento, id_=image.id, digest=image.digest, size=image.size, push=goals.push)
    if goals.push:
        _push(builder, bento, plan, options, goals, facts, reporter)


def _push(
    builder: Builder,
    bento: ResolvedBento,
    plan: ImagePlan,
    options: BuildOptions,
    goals: Goals,
    facts: dict[str, Any],
    reporter: Reporter,
) -> None:
    """Push every tag, and add the digest that each has in its registry as it is there."""
    from bentopack.cli.pushed import Made, finish_push
    from bentopack.cli.registry import reach
    from bentopack.image.push import push_image

    registries = reach(goals.ca_bundle, goals.insecure)
    if builder.settles_exports and options.epoch is not None:
        _push_settled(builder, bento, plan, options, registries, facts, reporter)
    else:
        for tag in facts["tags"]:
            reporter.step(f"pushing {tag}")
            facts["pushed"][tag] = push_image(
                builder, tag, trust=registries.trust, environ=os.environ, reporter=reporter
            )
    finish_push([Made(bento, plan)], registries, goals, facts, reporter)


def _push_settled(
    builder: Builder,
    bento: ResolvedBento,
    plan: ImagePlan,
    options: BuildOptions,
    registries: Registries,
    facts: dict[str, Any],
    reporter: Reporter,
) -> None:
    """Push what the engine's own store cannot hold: the same image, the times of all its files settled."""
    import tempfile

    from bentopack.cli.pushed import push_tags
    from bentopack.image.build import export_image

    with tempfile.TemporaryDirectory(prefix="bentopack-push-") as scratch:
        reporter.step("settling the times of all files")
        image = export_image(
            builder, bento.path, plan, options, environ=os.environ, reporter=reporter, folder=Path(scratch)
        )
        push_tags(image, registries, facts, reporter)


def render(plan: ImagePlan, options: BuildOptions) -> str:
    """Return the Dockerfile that a build would read, in what the oldest builder that can do it understands."""
    from bentopack.image.dialect import BUILDKIT, CLASSIC, with_frontend
    from bentopack.image.render import render_dockerfile

    needs_buildkit = options.secrets or options.ca_bundle or options.syntax
    return render_dockerfile(
        plan,
        with_frontend(BUILDKIT if needs_buildkit else CLASSIC, options.syntax),
        secrets=[secret.id for secret in options.secrets],
        ca_bundle=options.ca_bundle is not None,
    )
