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
    from bentopack.image.client import Client
    from bentopack.image.engine import Engine, ImageFacts
    from bentopack.image.plan import ImagePlan


TargetArgument = Annotated[
    str | None,
    typer.Argument(metavar="TARGET", help="A Bento of the store, or its folder. Default: the project here."),
]
GpuOption = Annotated[bool, typer.Option("--gpu", help="The gpu variant, on a CUDA base.")]
TagOption = Annotated[
    list[str] | None,
    typer.Option("--tag", "-t", metavar="NAME[:TAG]", help="Name of the image; several. Default: the Bento's tag."),
]
PlatformOption = Annotated[
    str | None,
    typer.Option(metavar="OS/ARCH", help="Such as linux/arm64. Default: the one that the Bento is locked for."),
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Reuse no layer of earlier builds.")]
BuildArgOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="A build argument such as HTTPS_PROXY=http://proxy:3128; several."),
]
SecretOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="id=NAME,src=FILE",
        help="A file for installing Python packages, kept out of the image; several. pip reads pip.conf, netrc.",
    ),
]
BaseImageOption = Annotated[
    str | None,
    typer.Option(metavar="IMAGE", help="Start from this image; it needs the Bento's Python, with venv."),
]
DockerfileOption = Annotated[
    str | None,
    typer.Option(metavar="PATH|-", help="Only write the Dockerfile there (- is standard output); needs no engine."),
]


def containerize(
    target: TargetArgument = None,
    *,
    gpu: GpuOption = False,
    tag: TagOption = None,
    platform: PlatformOption = None,
    no_cache: NoCacheOption = False,
    build_arg: BuildArgOption = None,
    secret: SecretOption = None,
    base_image: BaseImageOption = None,
    dockerfile: DockerfileOption = None,
    output: OutputOption = Format.text,
    verbose: VerboseOption = False,
) -> None:
    """Compile a Bento into a container image.

    Without a target, the project in this folder is built first; a Bento that lay there already is proved file by file.
    With --gpu the image has a CUDA base, which needs docker.cuda_version in the bentofile.

    Example:  bentopack containerize iris:latest -t registry.example/iris:1.0
    """
    from bentopack.cli.output import Output
    from bentopack.cli.target import resolve_bento
    from bentopack.image.build import BuildOptions
    from bentopack.image.plan import plan_image
    from bentopack.image.secrets import parse_secret
    from bentopack.image.validate import image_reference
    from bentopack.spec.manifest import read_manifest

    out = Output(verbose=verbose)
    # All that can be wrong with the request and this machine is said before the work begins.
    secrets = tuple(parse_secret(text) for text in secret or ())
    tags = tuple(image_reference(text) for text in tag or ())
    tools = _tools() if dockerfile is None else None
    with out.working() as reporter:
        bento = resolve_bento(target, reporter=reporter, platform=platform, proven=True)
        variant = "gpu" if gpu else "cpu"
        plan = plan_image(read_manifest(bento.path), variant=variant, platform=platform, base_image=base_image)
        if tools:
            options = BuildOptions(tags or (str(bento.tag),), no_cache, tuple(build_arg or ()), secrets)
            image = _build(tools, bento, plan, options, reporter)
    if dockerfile is not None:
        _write_dockerfile(out, dockerfile, plan, [one.id for one in secrets])
    else:
        _tell(out, output, bento, image, options.tags)


def _tools() -> tuple[Engine, Client]:
    """The engine that this environment names, and the command that builds with it."""
    from bentopack.image.client import find_client
    from bentopack.image.engine import connect

    return connect(os.environ), find_client(os.environ.get("PATH", os.defpath))


def _build(
    tools: tuple[Engine, Client], bento: ResolvedBento, plan: ImagePlan, options: BuildOptions, reporter: Reporter
) -> ImageFacts:
    from dataclasses import replace

    from bentopack.image.build import build_image
    from bentopack.image.labels import bento_labels

    engine, client = tools
    for note in plan.notes:
        reporter.warn(note)
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

    # Which builder will read it is not known; only secrets need BuildKit.
    text = render_dockerfile(plan, buildkit=bool(secrets), secrets=secrets)
    if path == "-":
        out.result(text.rstrip("\n"))
    else:
        write_atomic(Path(path), text)
        out.result(path)
