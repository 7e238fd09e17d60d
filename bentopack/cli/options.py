"""Options that several commands share, spelled once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

# The same on every machine, so that the same project gives the same Bento everywhere.
DEFAULT_PLATFORM = "linux/amd64"
PLATFORMS = (DEFAULT_PLATFORM, "linux/arm64")


class Format(str, Enum):
    """How a result is written."""

    text = "text"
    json = "json"


class Progress(str, Enum):
    """How progress is told, on standard error."""

    auto = "auto"
    tty = "tty"
    plain = "plain"
    json = "json"
    quiet = "quiet"


class BentoFormat(str, Enum):
    """How a Bento is written: for people, or just the part that a script needs."""

    text = "text"
    json = "json"
    tag = "tag"
    path = "path"


OutputOption = Annotated[Format, typer.Option("--output", "-o", help="Write the result for people or as JSON.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show each step and what the tools print.")]
ProgressOption = Annotated[
    Progress, typer.Option(help="What is told on the way: plain, every line; json, every line as JSON; quiet, nothing.")
]
PlatformOption = Annotated[
    str, typer.Option("--platform", metavar="OS/ARCH", help="The image's platform, which packages are locked for.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Files that look like secrets are errors, not warnings.")]
BentoArgument = Annotated[str, typer.Argument(metavar="TAG", help="name:version, or name for the newest.")]
RepositoryArgument = Annotated[
    str, typer.Argument(metavar="REGISTRY/REPO", help="A repository: registry.example/team/iris.")
]
TagThereArgument = Annotated[
    str,
    typer.Argument(metavar="NAME:TAG", help="Its name, and its tag in the registry. Without a tag: latest."),
]
TagThereOption = Annotated[
    list[str] | None,
    typer.Option("--tag", "-t", metavar="TAG", help="Its tag in the registry; several. Default: its version."),
]
ModelArgument = Annotated[str, typer.Argument(metavar="TAG", help="name:version, or name for the newest.")]
ProjectArgument = Annotated[Path, typer.Argument(metavar="PROJECT", help="The folder with the bentofile.")]
NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="Only those of this name.")]
TargetArgument = Annotated[
    str | None,
    typer.Argument(metavar="TARGET", help="A Bento of the store, or its folder. Default: the project here."),
]
GpuOption = Annotated[bool, typer.Option("--gpu", help="The gpu variant.")]
ImagePlatformOption = Annotated[
    str | None,
    typer.Option(metavar="OS/ARCH", help="Such as linux/arm64. Default: the one that the Bento is locked for."),
]
ImagePlatformsOption = Annotated[
    str | None,
    typer.Option(
        "--platform",
        metavar="OS/ARCH[,OS/ARCH]",
        help="Such as linux/arm64; of a project also several, under one name. Default: what the Bento is locked for.",
    ),
]
CaBundleOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Certificates to trust beside the usual ones', such as a company's."),
]
InsecureOption = Annotated[
    list[str] | None,
    typer.Option(
        "--insecure-registry",
        metavar="HOST[:PORT]",
        help="Speak to this registry without TLS; several. Docker's engine pushes by its own list of them.",
    ),
]
BaseFromOption = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="oci: take the base out of an OCI layout, or of docker save's archive."),
]
BaseImageOption = Annotated[
    str | None,
    typer.Option(metavar="IMAGE", help="Start from this image; it needs the Bento's Python, with venv."),
]


def checked_platform(text: str) -> str:
    """Return the platform that was asked for.

    Raises:
        UsageError: no image has it.
    """
    if text not in PLATFORMS:
        from bentopack.errors import UsageError

        raise UsageError(f"no image can be made for the platform '{text}'", hint=f"known: {', '.join(PLATFORMS)}")
    return text
