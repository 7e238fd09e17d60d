"""``bentopack containerize``: compile a Bento into a container image."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    TargetArgument,
    VerboseOption,
)

if TYPE_CHECKING:
    from bentopack._report import Reporter
    from bentopack.cli.compiled import Goals
    from bentopack.cli.output import Output
    from bentopack.cli.target import ResolvedBento
    from bentopack.image.build_options import BuildOptions
    from bentopack.image.builder import Builder
    from bentopack.image.engine import ImageFacts
    from bentopack.image.plan import ImagePlan
    from bentopack.image.secrets import Secret
    from bentopack.oci.compress import Compression
    from bentopack.oci.registry import Registries
    from bentopack.oci.signature import PrivateKeyFile


class BuilderName(str, Enum):
    """What may build an image."""

    docker = "docker"
    podman = "podman"
    buildah = "buildah"


class Backend(str, Enum):
    """How an image comes about."""

    auto = "auto"
    docker = "docker"
    oci = "oci"


class CompressionName(str, Enum):
    """What layers are compressed with."""

    gzip = "gzip"
    zstd = "zstd"


BackendOption = Annotated[
    Backend,
    typer.Option(
        help="docker runs a build; oci writes the layers itself, without an engine. Default: docker, where one answers."
    ),
]
ArchiveOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="oci: write one archive, for docker load and podman load.")
]
LayoutOption = Annotated[Path | None, typer.Option(metavar="FOLDER", help="oci: write an OCI layout there.")]
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
ProgressOption = Annotated[
    Progress, typer.Option(help="What is told on the way: plain, every line; json, every line as JSON; quiet, nothing.")
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

    Without a target, the project in this folder is built first; a Bento that lay there already is proved file by file.
    With --gpu the image is that of the gpu variant, which needs docker.cuda_version in the bentofile. Where
    SOURCE_DATE_EPOCH is set, the image says that it was made then.

    Example:  bentopack containerize iris:latest -t registry.example/iris:1.0 --push
    """
    from bentopack.cli.compiled import Goals, compile_image, compile_index
    from bentopack.cli.output import Output
    from bentopack.cli.target import resolve_bento
    from bentopack.errors import RegistryError
    from bentopack.image.build_options import BuildOptions
    from bentopack.image.from_bento import plan_bento
    from bentopack.image.validate import image_tag

    out = Output(verbose=verbose, progress=progress)
    # All that can be wrong with the request and this machine is said before the work begins.
    platforms = _require_possible(dockerfile, push, sign is not None, metadata_file, archive, platform)
    platform = next(iter(platforms), None)
    options = BuildOptions(
        tuple(image_tag(text) for text in tag or ()),
        no_cache,
        tuple(cache_from or ()),
        tuple(cache_to or ()),
        tuple(build_arg or ()),
        _secrets(secret or []),
        ca_bundle=_checked_bundle(ca_bundle) if ca_bundle else None,
        syntax=syntax,
        epoch=_epoch(),
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
        _key(sign) if sign else None,
        options.epoch,
        _compression(compression) if compression else None,
    )
    tool = _builder(builder, backend, goals, options, several=len(platforms) > 1) if dockerfile is None else None
    if tool:
        from bentopack.image.build import require_understood

        require_understood(tool, options)
    variant = "gpu" if gpu else "cpu"
    if len(platforms) > 1:
        with out.working() as reporter:
            facts = compile_index(target, platforms, variant, base_image, goals, reporter)
        _finish(out, facts, metadata_file, output)
        return
    failed: RegistryError | None = None
    with out.working() as reporter:
        # Layers that are there already are not read again; whoever makes one proves what it reads.
        later = None if tool else "models"
        bento = resolve_bento(target, reporter=reporter, platform=platform, proven=True, later=later)
        plan = plan_bento(bento.path, variant=variant, platform=platform, base_image=base_image)
        if tool and plan.base.checked:
            from bentopack.image.probe import look_into

            reporter.step(f"looking into {plan.base.image}")
            found = look_into(tool, plan.base.reference, plan.platform, os.environ)
            plan = plan_bento(bento.path, variant=variant, platform=platform, base_image=base_image, found=found)
        for reason in plan.base.reasons if explain else ():
            reporter.note(reason)
        if tool is None and dockerfile is None:
            facts = compile_image(bento, plan, goals, reporter)
        if tool:
            facts = _build(tool, bento, plan, options, reporter)
            facts["pushed"] = {} if push else None
            try:
                _push(tool, bento, plan, options, goals, facts, reporter)
            except RegistryError as error:
                failed = error  # what was built, and pushed so far, is told first
    if dockerfile is not None:
        _write_dockerfile(out, dockerfile, plan, options)
        return
    _finish(out, facts, metadata_file, output)
    if failed:
        raise failed


def _require_possible(
    dockerfile: str | None,
    push: bool,
    signs: bool,
    metadata_file: Path | None,
    archive: Path | None,
    platform: str | None,
) -> list[str]:
    """Refuse what cannot be, before anything is done for it; and return the platforms that are asked for."""
    from bentopack.errors import UsageError

    if signs and not push:
        raise UsageError("--sign signs what is pushed: add --push")
    if dockerfile is not None and (push or metadata_file):
        raise UsageError("--dockerfile only writes the Dockerfile: leave out --push and --metadata-file")
    for option, path in (("--metadata-file", metadata_file), ("--archive", archive)):
        if path and (path.is_dir() or not path.absolute().parent.is_dir()):
            reason = "is a folder" if path.is_dir() else "lies in a folder that does not exist"
            raise UsageError(f"{option}: {path} {reason}", hint="name a file, in a folder that is there")
    platforms = platform.split(",") if platform else []
    for each in platforms:
        if not each.startswith("linux/"):
            raise UsageError(f"--platform: expected one such as linux/arm64, found {each!r}: images are Linux's")
    if dockerfile is not None and len(platforms) > 1:
        raise UsageError("--dockerfile writes that of one platform: give one, or none")
    return sorted(set(platforms))


def _finish(out: Output, facts: dict[str, Any], metadata_file: Path | None, output: Format) -> None:
    """Write what was made where it is asked for, and tell it."""
    if metadata_file:
        _write_metadata(metadata_file, facts)
    if output is Format.json:
        out.json(facts)
    else:
        _tell(out, facts)


def _secrets(texts: list[str]) -> tuple[Secret, ...]:
    if not texts:
        return ()
    from bentopack.image.secrets import parse_secret

    return tuple(parse_secret(text) for text in texts)


def _checked_bundle(path: Path) -> Path:
    from bentopack.image.secrets import BadSecret, require_plain

    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise BadSecret(f"--ca-bundle: {path} cannot be read: {error.strerror}") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise BadSecret(f"--ca-bundle: {path} holds no certificate", hint="give a file of certificates in PEM form")
    return require_plain(path.absolute(), "--ca-bundle")


def _key(path: Path) -> PrivateKeyFile:
    """The key to sign with; a password comes from where cosign looks for it, or is asked for on a terminal."""
    import sys

    from bentopack.oci.signature import NeedsPassword, load_private_key

    given = os.environ.get("COSIGN_PASSWORD")
    try:
        return load_private_key(path, None if given is None else given.encode())
    except NeedsPassword:
        if not sys.stdin.isatty():
            raise
        return load_private_key(path, typer.prompt(f"Password of {path}", hide_input=True, err=True).encode())


def _epoch() -> int | None:
    """The time that the image counts as made at (https://reproducible-builds.org/specs/source-date-epoch/)."""
    from bentopack.errors import UsageError

    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 11):
        raise UsageError(f"SOURCE_DATE_EPOCH: expected seconds since 1970, found {text!r}")
    return int(text)


def _compression(name: CompressionName) -> Compression:
    from bentopack.oci.compress import GZIP, zstd

    return zstd() if name is CompressionName.zstd else GZIP


def _builder(
    name: BuilderName | None, backend: Backend, goals: Goals, options: BuildOptions, *, several: bool
) -> Builder | None:
    """The builder that is asked for, or that this environment has; None where layers are written without one."""
    from bentopack.errors import EngineError, UsageError

    own = [goals.archive, goals.layout, goals.base_from, goals.compression]
    runs = [name, options.secrets, options.cache_from, options.cache_to, options.build_args, options.syntax]
    if backend is Backend.oci or (backend is Backend.auto and (several or any(own))):
        if any(runs):
            raise UsageError(
                "--backend oci runs no build: leave out --builder, --secret, --cache-*, --build-arg, --syntax"
            )
        return None
    if several or any(own):
        raise UsageError("--archive, --layout, --base-from, --compression and several platforms are for --backend oci")
    from bentopack.image.builder import choose_builder

    try:
        return choose_builder(name.value if name else None, os.environ, os.environ.get("PATH", os.defpath))
    except EngineError:
        if backend is Backend.docker or any(runs) or os.environ.get("DOCKER_HOST"):
            raise
        return None


def _build(
    builder: Builder, bento: ResolvedBento, plan: ImagePlan, options: BuildOptions, reporter: Reporter
) -> dict[str, Any]:
    """Build, and return what is told of it."""
    from dataclasses import replace

    from bentopack.bento.origin import origin_of
    from bentopack.image.build import build_image
    from bentopack.image.labels import bento_labels

    for note in plan.notes:
        reporter.warn(note)
    labels = bento_labels(bento.tag, bento.digest, plan, origin=origin_of(bento.tag, bento.digest), epoch=options.epoch)
    options = replace(options, tags=options.tags or (str(bento.tag),), labels=labels)
    reporter.step(f"building {options.tags[0]} on {plan.base.image} with {builder.name}")
    image = build_image(builder, bento.path, plan, options, environ=os.environ, reporter=reporter)
    return _facts(bento, image, options.tags)


def _facts(bento: ResolvedBento, image: ImageFacts, tags: tuple[str, ...]) -> dict[str, Any]:
    return {
        "image": tags[0],
        "tags": list(tags),
        "id": image.id,
        "digest": image.digest,
        "bento": str(bento.tag),
        "bento_digest": bento.digest,
        "size": image.size,
    }


def _push(
    builder: Builder,
    bento: ResolvedBento,
    plan: ImagePlan,
    options: BuildOptions,
    goals: Goals,
    facts: dict[str, Any],
    reporter: Reporter,
) -> None:
    """Push every tag where that is asked for, and add the digest that each has in its registry as it is there."""
    if not goals.push:
        return
    from bentopack.cli.compiled import finish_push
    from bentopack.cli.registry import reach
    from bentopack.image.push import push_image

    registries = reach(goals.ca_bundle, goals.insecure)
    if builder.settles_exports and options.epoch is not None:
        _push_settled(builder, bento, plan, options, registries, facts, reporter)
    else:
        for tag in facts["tags"]:
            reporter.step(f"pushing {tag}")
            facts["pushed"][tag] = push_image(builder, tag, environ=os.environ, reporter=reporter)
    finish_push(None, registries, bento, plan, goals, facts, reporter)


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

    from bentopack.cli.compiled import push_tags
    from bentopack.image.build import export_image

    with tempfile.TemporaryDirectory(prefix="bentopack-push-") as scratch:
        reporter.step("settling the times of all files")
        image = export_image(
            builder, bento.path, plan, options, environ=os.environ, reporter=reporter, folder=Path(scratch)
        )
        push_tags(image, registries, facts, reporter)


def _write_metadata(path: Path, facts: dict[str, Any]) -> None:
    import json

    from bentopack._fs import write_atomic

    write_atomic(path, json.dumps(facts, indent=2) + "\n")


def _tell(out: Output, facts: dict[str, Any]) -> None:
    size = f"  {facts['size'] / 1e6:.0f} MB" if facts["size"] is not None else ""
    for tag in facts["tags"]:
        pushed = facts["pushed"] or {}
        digest = pushed.get(tag) or facts["digest"] or facts["id"]
        out.result(f"{tag}  {digest}{size}{'  pushed' if tag in pushed else ''}")


def _write_dockerfile(out: Output, path: str, plan: ImagePlan, options: BuildOptions) -> None:
    from bentopack._fs import write_atomic
    from bentopack.image.dialect import BUILDKIT, CLASSIC, with_frontend
    from bentopack.image.render import render_dockerfile

    # Which builder will read it is not known; only what the older one has not needs BuildKit.
    needy = options.secrets or options.ca_bundle or options.syntax
    text = render_dockerfile(
        plan,
        with_frontend(BUILDKIT if needy else CLASSIC, options.syntax),
        secrets=[secret.id for secret in options.secrets],
        ca_bundle=options.ca_bundle is not None,
    )
    if path == "-":
        out.result(text.rstrip("\n"))
    else:
        write_atomic(Path(path), text)
        out.result(path)
