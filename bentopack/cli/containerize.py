"""``bentopack containerize``: compile a Bento into a container image."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bentopack.cli.image_request import Backend, BuilderName, CompressionName
from bentopack.cli.options import (
    BaseFromOption,
    BaseImageOption,
    CaBundleOption,
    Format,
    GpuOption,
    ImagePlatformsOption,
    InsecureOption,
    OutputOption,
    Progress,
    ProgressOption,
    TargetArgument,
    VerboseOption,
)

if TYPE_CHECKING:
    from bentopack.cli.compiled import Goals
    from bentopack.cli.image_request import Wanted
    from bentopack.cli.output import Output
    from bentopack.image.build_options import BuildOptions
    from bentopack.image.builder import Builder
    from bentopack.image.plan import ImagePlan

BackendOption = Annotated[
    Backend,
    typer.Option(
        help="docker runs a build; oci writes the layers itself, without an engine. Default: docker, where one answers."
    ),
]
ArchiveOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="oci: write one archive, for docker load and podman load.")
]
LayoutOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", file_okay=False, help="oci: write an OCI layout there.")
]
CompressionOption = Annotated[
    CompressionName | None,
    typer.Option(metavar="gzip|zstd", help="oci: compress layers with it; zstd needs bentopack[zstd]. Default: gzip."),
]
TagOption = Annotated[
    list[str] | None,
    typer.Option("--tag", "-t", metavar="NAME[:TAG]", help="Name of the image; several. Default: the Bento's tag."),
]
BuilderOption = Annotated[
    BuilderName | None,
    typer.Option("--builder", help="What builds. Default: Docker where its engine answers, else podman, else buildah."),
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Reuse no layer of earlier builds.")]
CacheFromOption = Annotated[
    list[str] | None, typer.Option(metavar="SOURCE", help="Reuse layers from there too, as docker build does; several.")
]
CacheToOption = Annotated[
    list[str] | None, typer.Option(metavar="GOAL", help="Keep layers there for others, such as type=inline; several.")
]
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
SignOption = Annotated[
    Path | None,
    typer.Option("--sign", metavar="KEY", help="Sign what is pushed, as cosign does; COSIGN_PASSWORD opens the key."),
]
AttestOption = Annotated[
    bool, typer.Option("--attest/--no-attest", help="Attach bill of materials and provenance to what is pushed.")
]
SyntaxOption = Annotated[
    str | None,
    typer.Option(metavar="IMAGE", help="Build with this frontend of BuildKit's, such as docker/dockerfile:1."),
]
DockerfileOption = Annotated[
    str | None,
    typer.Option(metavar="PATH|-", help="Only write the Dockerfile there (- is standard output); needs no engine."),
]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Say why this base, step by step.")]
PushOption = Annotated[bool, typer.Option("--push", help="Push every tag to its registry, once the image is built.")]
MetadataOption = Annotated[
    Path | None, typer.Option(metavar="PATH", help="Write what was built there too, as --output json does.")
]


def containerize(
    target: TargetArgument = None,
    *,
    gpu: GpuOption = False,
    tag: TagOption = None,
    platform: ImagePlatformsOption = None,
    base_image: BaseImageOption = None,
    backend: BackendOption = Backend.auto,
    archive: ArchiveOption = None,
    layout: LayoutOption = None,
    base_from: BaseFromOption = None,
    compression: CompressionOption = None,
    builder: BuilderOption = None,
    no_cache: NoCacheOption = False,
    cache_from: CacheFromOption = None,
    cache_to: CacheToOption = None,
    build_arg: BuildArgOption = None,
    secret: SecretOption = None,
    ca_bundle: CaBundleOption = None,
    syntax: SyntaxOption = None,
    dockerfile: DockerfileOption = None,
    explain: ExplainOption = False,
    push: PushOption = False,
    attest: AttestOption = True,
    sign: SignOption = None,
    insecure_registry: InsecureOption = None,
    metadata_file: MetadataOption = None,
    progress: ProgressOption = Progress.auto,
    output: OutputOption = Format.text,
    verbose: VerboseOption = False,
) -> None:
    """Compile a Bento into a container image.

    Without a target, the project in this folder is built first; a Bento that lay there already is proved file by file,
    without an engine its models when they are read.
    With --gpu the image is that of the gpu variant, which needs docker.cuda_version in the bentofile. Where
    SOURCE_DATE_EPOCH is set, the image says that it was made then.

    Example:  bentopack containerize iris:latest -t registry.example/iris:1.0 --push
    """
    from bentopack.cli import image_request
    from bentopack.cli.compiled import Goals, compile_index
    from bentopack.cli.output import Output
    from bentopack.cli.registry import checked_bundle
    from bentopack.errors import RegistryError
    from bentopack.image.build_options import BuildOptions

    out = Output(verbose=verbose, progress=progress)
    # All that can be wrong with the request and this machine is said before the work begins.
    platforms = image_request.require_possible(dockerfile, push, sign is not None, metadata_file, archive, platform)
    wanted = image_request.Wanted(target, "gpu" if gpu else "cpu", platforms, base_image, explain)
    options = BuildOptions(
        image_request.tags(tag or ()),
        no_cache,
        tuple(cache_from or ()),
        tuple(cache_to or ()),
        tuple(build_arg or ()),
        image_request.secrets(secret or []),
        ca_bundle=checked_bundle(ca_bundle) if ca_bundle else None,
        syntax=syntax,
        epoch=image_request.epoch(),
    )
    goals = Goals(
        options.tags,
        push,
        archive,
        layout,
        base_from,
        options.ca_bundle,
        tuple(insecure_registry or ()),
        attest,
        image_request.signing_key(sign) if sign else None,
        options.epoch,
        image_request.layer_compression(compression) if compression else None,
    )
    only_dockerfile, several = dockerfile is not None, len(platforms) > 1
    tool = image_request.choose(builder, backend, goals, options, only_dockerfile=only_dockerfile, several=several)
    facts: dict[str, Any] = {}
    failed: RegistryError | None = None
    with out.working() as reporter:
        try:
            if several:
                compile_index(wanted, goals, facts, reporter)
            else:
                plan = _make_one(wanted, tool, options, goals, facts, reporter, only_plan=only_dockerfile)
        except RegistryError as error:
            # What a builder made, was written, or is pushed so far is told first.
            if not (facts and (tool or any(facts.get(each) for each in ("archive", "layout", "pushed")))):
                raise
            failed = error
    if dockerfile is not None:
        from bentopack.cli.built import render

        _write_dockerfile(out, dockerfile, render(plan, options))
        return
    _finish(out, facts, metadata_file, output)
    if failed:
        raise failed


def _make_one(
    wanted: Wanted,
    tool: Builder | None,
    options: BuildOptions,
    goals: Goals,
    facts: dict[str, Any],
    reporter: Output,
    *,
    only_plan: bool,
) -> ImagePlan:
    """Plan the image of one platform and make it, by a builder where there is one; ``facts`` gets what came of it."""
    from bentopack.cli.target import resolve_bento
    from bentopack.image.from_bento import plan_bento

    # Layers that are there already are not read again; whoever makes one proves what it reads.
    later = None if tool else "models"
    bento = resolve_bento(wanted.target, reporter=reporter, platform=wanted.platform, proven=True, later=later)
    planned = partial(
        plan_bento, bento.path, variant=wanted.variant, platform=wanted.platform, base_image=wanted.base_image
    )
    plan = planned()
    if tool and plan.base.checked:
        from bentopack.image.probe import look_into

        reporter.step(f"looking into {plan.base.image}")
        plan = planned(found=look_into(tool, plan.base.reference, plan.platform, os.environ))
    for reason in plan.base.reasons if wanted.explain else ():
        reporter.note(reason)
    if tool:
        from bentopack.cli.built import build_and_push

        build_and_push(tool, bento, plan, options, goals, facts, reporter)
    elif not only_plan:
        from bentopack.cli.compiled import compile_image

        compile_image(bento, plan, goals, facts, reporter)
    return plan


def _finish(out: Output, facts: dict[str, Any], metadata_file: Path | None, output: Format) -> None:
    """Tell what was made, and write it where that is asked for."""
    if output is Format.json:
        out.json(facts)
    else:
        _tell(out, facts)
    if metadata_file:
        _write_metadata(metadata_file, facts)


def _write_metadata(path: Path, facts: dict[str, Any]) -> None:
    import json

    from bentopack._fs import write_atomic, writing

    with writing(path.absolute().parent, otherwise="give --metadata-file a file in"):
        write_atomic(path, json.dumps(facts, indent=2) + "\n")


def _tell(out: Output, facts: dict[str, Any]) -> None:
    size = f"  {facts['size'] / 1e6:.0f} MB" if facts["size"] is not None else ""
    for tag in facts["tags"]:
        pushed = facts["pushed"] or {}
        digest = pushed.get(tag) or facts["digest"] or facts["id"]
        out.result(f"{tag}  {digest}{size}{'  pushed' if tag in pushed else ''}")


def _write_dockerfile(out: Output, path: str, text: str) -> None:
    from bentopack._fs import write_atomic, writing

    if path == "-":
        out.result(text.rstrip("\n"))
    else:
        with writing(Path(path).absolute().parent, otherwise="give --dockerfile a file in"):
            write_atomic(Path(path), text)
        out.result(path)
