"""What a builder understands of a Dockerfile: one text for all would be the oldest builder's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bentopack.image import validate
from bentopack.image.validate import PlanError


@dataclass(frozen=True)
class Dialect:
    """A kind of Dockerfile.

    ``mounts``: ``RUN --mount``, for caches and secrets. ``binds``: a file of the context may be mounted, and what a
    step writes to it is lost; buildah mounts the very file, and does not see that it changed. ``links``: ``COPY
    --link``, by which a layer stands alone and stays when what is below it changes. ``syntax``: the frontend that is
    to be fetched for it, if any.
    """

    name: str
    mounts: bool
    binds: bool
    links: bool
    syntax: str | None = None


CLASSIC = Dialect("classic", mounts=False, binds=False, links=False)
"""What every builder reads."""
BUILDAH = Dialect("buildah", mounts=True, binds=False, links=False)
BUILDKIT = Dialect("BuildKit", mounts=True, binds=True, links=False)
"""BuildKit as Docker 20.10 has it."""
LINKING = Dialect("BuildKit with links", mounts=True, binds=True, links=True)

# Docker 23 is the first whose own BuildKit has the frontend 1.4: https://docs.docker.com/build/buildkit/frontend/.
_FIRST_LINKING_ENGINE = 23


def dialect_of_engine(version: str, *, buildkit: bool) -> Dialect:
    """Return what an engine of Docker's understands by its own builder."""
    if not buildkit:
        return CLASSIC
    return LINKING if is_major(version, _FIRST_LINKING_ENGINE) else BUILDKIT


def is_major(version: str, least: int) -> bool:
    """Whether an engine's version is one of ``least`` or newer."""
    major = version.partition(".")[0]
    return major.isdigit() and int(major) >= least


def with_frontend(dialect: Dialect, syntax: str | None) -> Dialect:
    """Return the dialect of a frontend that the user names, which BuildKit fetches.

    Raises:
        PlanError: it is no image's name, or the builder fetches none.
    """
    if syntax is None:
        return dialect
    image = validate.image_reference(syntax)
    if dialect in (CLASSIC, BUILDAH):
        raise PlanError(f"--syntax is for BuildKit, and this builder is {dialect.name}")
    return replace(LINKING, syntax=image)
