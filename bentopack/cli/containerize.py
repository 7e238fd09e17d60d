"""``bentopack containerize``: compile a Bento into a container image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bentopack.cli.options import Format, OutputOption, VerboseOption

if TYPE_CHECKING:
    from bentopack._report import Reporter
    from bentopack.cli.output import Output
    from bentopack.cli.target import ResolvedBento
    from bentopack.image.build import BuildOptions
    from bentopack.image.engine import ImageFacts
    from bentopack.image.plan import ImagePlan


def containerize(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[TAG|DIR]", help="A Bento of the store, or its folder. Default: the project here."),
    ] = None,
    *,
    gpu: Annotated[bool, typer.Option("--gpu", help="The gpu variant, on a CUDA base.")] = False,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", "-t", metavar="NAME[:TAG]", help="Name of the image; several. Default: the Bento's tag."),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(metavar="OS/ARCH", help="Such as linux/arm64. Default: the one that the Bento is locked for."),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Reuse no layer of earlier builds.")] = False,
    build_arg: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A build argument such as HTTPS_PROXY=http://proxy:3128; several."),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="id=NAME,src=FILE",
            help="A file for installing Python packages, kept out of the image; several. pip reads pip.conf, netrc.",
        ),
    ] = None,
    base_image: Annotated[
        str | None,
        typer.Option(metavar="IMAGE", help="Start from this image; it needs the Bento's Python, with venv."),
    ] = None,
    dockerfile: Annotated[
        str | None,
        typer.Option(metavar="PATH|-", help="Only write the Dockerfile there (- is standard output); needs no engine."),
    ] = None,
    output: OutputOption = Format.text,
    verbose: VerboseOption = False,
) -> None:
    """Compile a Bento into a container image, with the local container engine.

    Without a target, the project in this folder is built first. With --gpu the image has a CUDA base, which needs
    docker.cuda_version in the bentofile.

    Example:  bentopack containerize iris:latest -t registry.example/iris:1.0
    """
    from bentopack.cli.output import Output
    from bentopack.cli.target import resolve_bento
    from bentopack.image.build import BuildOptions
    from bentopack.image.plan import plan_image
    from bentopack.image.secrets import parse_secret
    from bentopack.spec.manifest import read_manifest

    out = Output(verbose=verbose)
    secrets = tuple(parse_secret(text) for text in secret or ())
    with out.working() as reporter:
        bento = resolve_bento(target, reporter=reporter)
        plan = plan_image(
            read_manifest(bento.path), variant="gpu" if gpu else "cpu", platform=platform, base_image=base_image
        )
        if dockerfile is None:
            tags = tuple(tag or [str(bento.tag)])
            options = BuildOptions(tags, no_cache=no_cache, build_args=tuple(build_arg or ()), secrets=secrets)
            image = _build(bento, plan, options, reporter)
    if dockerfile is None:
        _tell(out, output, bento, image, options.tags)
    else:
        _write_dockerfile(out, dockerfile, plan, [one.id for one in secrets])


def _build(bento: ResolvedBento, plan: ImagePlan, options: BuildOptions, reporter: Reporter) -> ImageFacts:
    """Build with the engine that this environment names."""
    from dataclasses import replace

    from bentopack.image.build import build_image
    from bentopack.image.client import find_client
    from bentopack.image.engine import connect
    from bentopack.image.labels import bento_labels

    for note in plan.notes:
        reporter.warn(note)
    engine = connect(os.environ)
    client = find_client(os.environ.get("PATH", os.defpath))
    reporter.step(f"building {options.tags[0]} on {plan.base.image} with the engine {engine.version}")
    options = replace(options, labels=bento_labels(bento.tag, bento.digest, plan))
    return build_image(engine, client, bento.path, plan, options, environ=os.environ, reporter=reporter)


def _tell(out: Output, form: Format, bento: ResolvedBento, image: ImageFacts, tags: tuple[str, ...]) -> None:
    facts: dict[str, Any] = {
        "image": tags[0],
        "tags": list(tags),
        "id": image.id,
        "digest": image.digest,
        "bento": str(bento.tag),
        "bento_digest": bento.digest,
        "size": image.size,
    }
    if form is Format.json:
        out.json(facts)
        return
    for tag in tags:
        out.result(f"{tag}  {image.digest or image.id}  {image.size / 1e6:.0f} MB")


def _write_dockerfile(out: Output, path: str, plan: ImagePlan, secrets: list[str]) -> None:
    from bentopack._fs import write_atomic
    from bentopack.image.render import render_dockerfile

    text = render_dockerfile(plan, secrets=secrets)
    if path == "-":
        out.result(text.rstrip("\n"))
    else:
        write_atomic(Path(path), text)
        out.result(path)
