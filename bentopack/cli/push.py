"""``bentopack push``."""

from __future__ import annotations

from typing import Annotated

import typer

from bentopack.cli.options import (
    BentoArgument,
    CaBundleOption,
    Format,
    InsecureOption,
    OutputOption,
    RepositoryArgument,
)

MoreTagsOption = Annotated[
    list[str] | None,
    typer.Option("--tag", "-t", metavar="TAG", help="Its tag in the registry; several. Default: the Bento's version."),
]


def push(
    bento: BentoArgument,
    repository: RepositoryArgument,
    tag: MoreTagsOption = None,
    ca_bundle: CaBundleOption = None,
    insecure_registry: InsecureOption = None,
    output: OutputOption = Format.text,
) -> None:
    """Push a Bento of the store to a registry, for others to pull.

    It lies there as an OCI artifact. Its models are the very layers that its images have, so that a repository with
    both holds each model once.

    Example:  bentopack push iris:latest registry.example/team/iris
    """
    from bentopack._fs import EPOCH
    from bentopack._home import home
    from bentopack.bento.origin import origin_of
    from bentopack.cli.output import Output
    from bentopack.cli.registry import reach
    from bentopack.cli.target import resolve_bento
    from bentopack.image.compile import Compiler
    from bentopack.image.remote import push_bento
    from bentopack.oci.blobs import Blobs
    from bentopack.oci.reference import in_repository

    out = Output()
    registries = reach(ca_bundle, insecure_registry)
    with out.working() as reporter:
        found = resolve_bento(bento, reporter=reporter, proven=True, later="models")
        compiler = Compiler(Blobs(home() / "cache" / "oci"), reporter, EPOCH)
        references = [in_repository(repository, each) for each in tag or [found.tag.version]]
        bytes_sent = 0
        for reference in references:
            reporter.step(f"pushing {found.tag} to {reference}")
            digest, sent = push_bento(
                registries,
                reference,
                found.path,
                found.tag,
                found.digest,
                origin=origin_of(found.tag, found.digest),
                compiler=compiler,
                reporter=reporter,
            )
            bytes_sent += sent.bytes
    if output is Format.json:
        pushed = {str(each): digest for each in references}
        out.json({"bento": str(found.tag), "bento_digest": found.digest, "pushed": pushed, "sent": bytes_sent})
    else:
        for reference in references:
            out.result(f"Pushed {found.tag} to {reference}  {digest}")
