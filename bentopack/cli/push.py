"""``bentopack push``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentopack.cli.options import (
    BentoArgument,
    CaBundleOption,
    Format,
    InsecureOption,
    OutputOption,
    Progress,
    ProgressOption,
    RepositoryArgument,
    TagThereOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from bentopack._report import Reporter
    from bentopack.cli.transfer import PushTo
    from bentopack.image.compile import Compiler
    from bentopack.oci.reference import Reference
    from bentopack.oci.registry import Registries, Sent


def push(
    bento: BentoArgument,
    repository: RepositoryArgument,
    tag: TagThereOption = None,
    ca_bundle: CaBundleOption = None,
    insecure_registry: InsecureOption = None,
    progress: ProgressOption = Progress.auto,
    output: OutputOption = Format.text,
    verbose: VerboseOption = False,
) -> None:
    """Push a Bento of the store to a registry, for others to pull.

    It lies there as an OCI artifact. Its models are the very layers that its images have, so that a repository with
    both holds each model once. A tag that names an image or a model there is left to it.

    Example:  bentopack push iris:latest registry.example/team/iris
    """
    from bentopack.bento.digest import read_digest
    from bentopack.bento.origin import origin_of
    from bentopack.bento.store import bento_store
    from bentopack.bento.verify import prove_stored
    from bentopack.cli.transfer import Way, push_all
    from bentopack.image.kinds import BENTO_ARTIFACT
    from bentopack.image.remote import push_bento

    stored = bento_store().get(bento)

    def prepare(registries: Registries, compiler: Compiler, reporter: Reporter) -> PushTo:
        reporter.step(f"hashing {stored.tag}")
        found = prove_stored(stored, later="models")
        origin = origin_of(found.tag, found.digest)

        def push_to(reference: Reference) -> tuple[str, Sent]:
            path, tag, digest = found.path, found.tag, found.digest
            return push_bento(
                registries, reference, path, tag, digest, origin=origin, compiler=compiler, reporter=reporter
            )

        return push_to

    way = Way(ca_bundle, insecure_registry, output, verbose, progress)
    facts = {"bento": str(stored.tag), "bento_digest": read_digest(stored.path)}
    push_all(way, stored.tag, repository, tag or (), BENTO_ARTIFACT, facts, prepare)
