"""What builds images: a command, what it understands, and how it wants to be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bentopack.errors import EngineError
from bentopack.image.client import Client, find_client
from bentopack.image.dialect import BUILDAH, Dialect, dialect_of_engine, is_major
from bentopack.image.engine import Engine, ImageFacts, connect
from bentopack.image.podman import Podman, find_podman

Kind = Literal["docker", "podman", "buildah"]
_IGNORED = "Dockerfile.dockerignore"


@dataclass(frozen=True)
class Builder:
    """A command that builds images, and the images that it has."""

    name: str
    """Its own and its version, for people."""
    command: str
    dialect: Dialect
    inspect: Callable[[str], ImageFacts]
    """Look an image up by tag or id; raises NotFound."""
    options: tuple[str, ...] = ()
    """What ``build`` is always told."""
    environment: Mapping[str, str] = field(default_factory=dict)
    names_ignorefile: bool = False
    """Whether it has to be told which file says what to leave out; BuildKit finds it beside the Dockerfile."""
    exports_cache: bool = False
    """Whether it knows ``--cache-to``."""
    runs: bool = True
    """Whether it can run an image."""
    settles_exports: bool = False
    """Whether it settles times in what it writes elsewhere than into the engine's own store."""
    takes_trust: bool = False
    """Whether ``push`` is told which registry to trust, and how; an engine of Docker's has its own settings."""
    digest_of_push: bool = False
    """Whether ``push`` writes a digest with ``--digestfile``; else the image is asked for it afterwards."""

    def begin(self, folder: Path, platform: str) -> list[str]:
        """How the build of what ``write_dockerfile`` wrote begins; its other options and the context come after it."""
        command = [self.command, "build", "--file", str(folder / "Dockerfile"), "--platform", platform, *self.options]
        return [*command, "--ignorefile", str(folder / _IGNORED)] if self.names_ignorefile else command


def write_dockerfile(folder: Path, text: str, ignored: str) -> None:
    """Write a Dockerfile into a folder, and beside it what is to be left out of the context."""
    (folder / "Dockerfile").write_text(text, encoding="utf-8")
    # Only BuildKit looks here by itself; the classic builder reads a file in the context, which is not ours to write.
    (folder / _IGNORED).write_text(ignored, encoding="utf-8")


def choose_builder(wanted: Kind | None, environ: Mapping[str, str], search_path: str) -> Builder:
    """Choose what builds: what is asked for, else Docker where its engine answers, else podman, else buildah.

    Raises:
        EngineError: there is none such.
    """
    if wanted in ("podman", "buildah"):
        return of_podman(find_podman(search_path, [wanted]))
    try:
        return of_docker(connect(environ), find_client(search_path))
    except EngineError as error:
        try:
            found = find_podman(search_path, ["podman", "buildah"])
        except EngineError:
            raise error from None
        if wanted == "docker" or environ.get("DOCKER_HOST"):  # whoever names an engine means that one
            raise EngineError(error.message, hint=f"{found.kind} is here too: --builder {found.kind}") from None
        return of_podman(found)


def of_docker(engine: Engine, client: Client) -> Builder:
    """An engine of Docker's and the command that builds with it."""
    dialect = dialect_of_engine(engine.version, buildkit=client.buildkit)
    return Builder(
        name=f"Docker {engine.version}",
        command=client.command,
        dialect=dialect,
        inspect=engine.inspect,
        options=("--progress", "plain") if client.buildkit else (),
        environment={"DOCKER_BUILDKIT": "1" if client.buildkit else "0"},
        exports_cache=client.buildx,
        settles_exports=client.buildx and is_major(engine.version, 26) and engine.keeps_images_in_containerd(),
    )


def of_podman(found: Podman) -> Builder:
    """Podman or buildah: no engine, and the format that has a health check."""
    return Builder(
        name=f"{found.kind} {found.version}",
        command=found.command,
        dialect=BUILDAH,
        inspect=found.inspect,
        options=("--format", "docker"),
        names_ignorefile=True,
        runs=found.kind == "podman",
        takes_trust=True,
        digest_of_push=True,
    )
