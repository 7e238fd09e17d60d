"""``bentopack pull``."""

from __future__ import annotations

from bentopack.cli.options import (
    BentoArgument,
    CaBundleOption,
    Format,
    InsecureOption,
    OutputOption,
    RepositoryArgument,
)


def pull(
    bento: BentoArgument,
    repository: RepositoryArgument,
    ca_bundle: CaBundleOption = None,
    insecure_registry: InsecureOption = None,
    output: OutputOption = Format.text,
) -> None:
    """Pull a Bento from a registry into the store, proving every file.

    VERSION is the tag that it has there: its own version, unless the push gave it another one.

    Example:  bentopack pull iris:1.0 registry.example/team/iris
    """
    from bentopack.cli.output import Output
    from bentopack.cli.registry import reach
    from bentopack.image.remote import pull_bento
    from bentopack.oci.reference import in_repository
    from bentopack.tag import Tag

    out = Output()
    wanted = Tag.parse(bento)
    reference = in_repository(repository, wanted.version)
    registries = reach(ca_bundle, insecure_registry)
    with out.working() as reporter:
        reporter.step(f"pulling {reference}")
        stored = pull_bento(registries, reference, wanted.name, reporter)
    if output is Format.json:
        out.json({"tag": str(stored.tag), "path": str(stored.path)})
    else:
        out.result(f"Pulled {stored.tag} from {reference}")
