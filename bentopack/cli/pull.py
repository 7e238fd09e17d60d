"""``bentopack pull``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bentopack.cli.options import (
    CaBundleOption,
    Format,
    InsecureOption,
    OutputOption,
    Progress,
    ProgressOption,
    RepositoryArgument,
    TagThereArgument,
    VerboseOption,
)

if TYPE_CHECKING:
    from bentopack._report import Reporter
    from bentopack.oci.reference import Reference
    from bentopack.oci.registry import Registries
    from bentopack.tag import Tag


def pull(
    bento: TagThereArgument,
    repository: RepositoryArgument,
    ca_bundle: CaBundleOption = None,
    insecure_registry: InsecureOption = None,
    progress: ProgressOption = Progress.auto,
    output: OutputOption = Format.text,
    verbose: VerboseOption = False,
) -> None:
    """Pull a Bento from a registry into the store, proving every file.

    The version is the tag that it has there: its own version, unless the push gave it another one. A stored copy that
    is damaged is replaced.

    Example:  bentopack pull iris:0f3a52be91c47d06 registry.example/team/iris
    """
    from bentopack.cli.transfer import Way, pull_one
    from bentopack.image.remote import pull_bento

    def pulled(registries: Registries, reference: Reference, name: str, reporter: Reporter) -> tuple[Tag, Path, str]:
        found = pull_bento(registries, reference, name, reporter)
        return found.tag, found.path, found.digest

    pull_one(Way(ca_bundle, insecure_registry, output, verbose, progress), bento, repository, pulled)
