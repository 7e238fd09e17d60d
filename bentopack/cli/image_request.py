"""What is asked of ``containerize``: checked before any work is done for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bentopack.cli.compiled import Goals
    from bentopack.image.build_options import BuildOptions
    from bentopack.image.builder import Builder
    from bentopack.image.secrets import Secret
    from bentopack.oci.compress import Compression
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


@dataclass(frozen=True)
class Wanted:
    """Which image is asked for: of what, for which platforms (by itself, that of the lock), and on which base."""

    target: str | None
    variant: str
    platforms: tuple[str, ...]
    base_image: str | None
    explain: bool
    """Whether it is told why this base."""

    @property
    def platform(self) -> str | None:
        """The only one, or the first."""
        return next(iter(self.platforms), None)


def require_possible(
    dockerfile: str | None,
    push: bool,
    signs: bool,
    metadata_file: Path | None,
    archive: Path | None,
    platform: str | None,
) -> tuple[str, ...]:
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
    return tuple(sorted(set(platforms)))


def choose(
    builder: BuilderName | None,
    backend: Backend,
    goals: Goals,
    options: BuildOptions,
    *,
    only_dockerfile: bool,
    several: bool,
) -> Builder | None:
    """The builder of an image; None where layers are written without one, or only a Dockerfile is.

    Raises:
        UsageError, EngineError, PlanError: see below.
    """
    if only_dockerfile:
        require_only_dockerfile(builder, backend, goals, options)
    elif needs_builder(builder, backend, goals, options, several=several):
        return find_builder(builder, backend, options)
    return None


def needs_builder(
    builder: BuilderName | None, backend: Backend, goals: Goals, options: BuildOptions, *, several: bool
) -> bool:
    """Whether a builder is to be looked for; where not, layers are written without one.

    Raises:
        UsageError: what is asked for is partly for a build, and partly for an image without one.
    """
    from bentopack.errors import UsageError

    layered = [*_for_layers(goals), *_given({"several platforms": several})]
    built = _for_a_build(builder, options)
    if backend is Backend.oci or (backend is Backend.auto and layered):
        if built:
            asked = "--backend oci" if backend is Backend.oci else " and ".join(layered)
            raise UsageError(f"{' and '.join(built)}: there is no build where {asked} is given")
        return False
    if layered:
        raise UsageError(f"{' and '.join(layered)}: only --backend oci can do that")
    return True


def find_builder(name: BuilderName | None, backend: Backend, options: BuildOptions) -> Builder | None:
    """The builder that is asked for, or that this environment has; None where none need be.

    Raises:
        EngineError: there is none such.
        PlanError: it does not know what is asked of it.
    """
    from bentopack.errors import EngineError
    from bentopack.image.build import require_understood
    from bentopack.image.builder import choose_builder

    try:
        found = choose_builder(name.value if name else None, os.environ, os.environ.get("PATH", os.defpath))
    except EngineError:
        if backend is Backend.docker or _for_a_build(name, options) or os.environ.get("DOCKER_HOST"):
            raise
        return None
    require_understood(found, options)
    return found


def require_only_dockerfile(builder: BuilderName | None, backend: Backend, goals: Goals, options: BuildOptions) -> None:
    """Refuse, where only a Dockerfile is to be written, what says how an image is made of it and where that goes.

    Raises:
        UsageError: names it.
    """
    from bentopack.errors import UsageError

    # A secret is named in the Dockerfile, and so is a frontend.
    built = [each for each in _for_a_build(builder, options) if each not in ("--secret", "--syntax")]
    more = _given(
        {"--tag": goals.tags, "--backend": backend is not Backend.auto, "--insecure-registry": goals.insecure}
    )
    if given := [*more, *built, *_for_layers(goals)]:
        raise UsageError(f"--dockerfile only writes the Dockerfile: leave out {' and '.join(given)}")


def _for_layers(goals: Goals) -> list[str]:
    return _given(
        {
            "--archive": goals.archive,
            "--layout": goals.layout,
            "--base-from": goals.base_from,
            "--compression": goals.compression,
        }
    )


def _for_a_build(builder: BuilderName | None, options: BuildOptions) -> list[str]:
    return _given(
        {
            "--builder": builder,
            "--no-cache": options.no_cache,
            "--secret": options.secrets,
            "--cache-from": options.cache_from,
            "--cache-to": options.cache_to,
            "--build-arg": options.build_args,
            "--syntax": options.syntax,
        }
    )


def _given(options: dict[str, object]) -> list[str]:
    return [option for option, value in options.items() if value]


def tags(texts: Sequence[str]) -> tuple[str, ...]:
    """The names that an image is to have.

    Raises:
        UsageError: one is no such name.
    """
    from bentopack.errors import UsageError
    from bentopack.image.validate import PlanError, image_tag
    from bentopack.oci.reference import parse_reference

    try:
        found = tuple(map(image_tag, texts))
    except PlanError as error:
        raise UsageError(error.message, hint=error.hint) from None
    for each in found:
        parse_reference(each)
    return found


def secrets(texts: list[str]) -> tuple[Secret, ...]:
    if not texts:
        return ()
    from bentopack.image.secrets import parse_secret

    return tuple(parse_secret(text) for text in texts)


def signing_key(path: Path) -> PrivateKeyFile:
    """The key to sign with; a password comes from where cosign looks for it, or is asked for on a terminal."""
    import sys

    from bentopack.oci.signature import NeedsPassword, load_private_key

    given = os.environ.get("COSIGN_PASSWORD")
    try:
        return load_private_key(path, None if given is None else given.encode())
    except NeedsPassword:
        if not sys.stdin.isatty():
            raise
        import typer

        return load_private_key(path, typer.prompt(f"Password of {path}", hide_input=True, err=True).encode())


def epoch() -> int | None:
    """The time that the image counts as made at (https://reproducible-builds.org/specs/source-date-epoch/)."""
    from bentopack.errors import UsageError

    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 11):
        raise UsageError(f"SOURCE_DATE_EPOCH: expected seconds since 1970, found {text!r}")
    return int(text)


def layer_compression(name: CompressionName) -> Compression:
    from bentopack.oci.compress import GZIP, zstd

    return zstd() if name is CompressionName.zstd else GZIP
