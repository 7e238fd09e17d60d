"""``bentopack models list|get|delete|push|pull``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bentopack.cli.options import (
    CaBundleOption,
    Format,
    InsecureOption,
    ModelArgument,
    NameArgument,
    OutputOption,
    Progress,
    ProgressOption,
    RepositoryArgument,
    TagThereArgument,
    TagThereOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from bentopack._report import Reporter
    from bentopack.cli.transfer import PushTo
    from bentopack.image.compile import Compiler
    from bentopack.models import StoredModel
    from bentopack.oci.reference import Reference
    from bentopack.oci.registry import Registries
    from bentopack.tag import Tag

models = typer.Typer(no_args_is_help=True, help="List, show and delete the models of the store; push and pull them.")


@models.command("list")
def list_(name: NameArgument = None, output: OutputOption = Format.text) -> None:
    """List the models of the store.

    Example:  bentopack models list
    """
    from bentopack.cli.output import Output, age
    from bentopack.models import list_models

    out = Output()
    found = list_models(name)
    if output is Format.json:
        out.json([_as_json(model) for model in found])
        return
    rows = [(str(model.tag), model.description.framework, age(model.created)) for model in found]
    out.table(
        ("TAG", "FRAMEWORK", "CREATED"),
        rows,
        empty=f"no model is called {name}" if name else "no models yet: bentopack.save_model() saves one",
    )


@models.command("get")
def get(tag: ModelArgument, output: OutputOption = Format.text) -> None:
    """Show one model.

    Example:  bentopack models get iris
    """
    from bentopack.cli.output import Output
    from bentopack.models import get as get_model

    out = Output()
    document = _as_json(get_model(tag))
    if output is Format.json:
        out.json(document)
        return
    import yaml

    out.result(yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip())


@models.command("delete")
def delete(tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="One or more name:version.")]) -> None:
    """Delete models from the store.

    Bentos that were built with them keep them.

    Example:  bentopack models delete iris:61160aafabf0e1e6
    """
    from bentopack.cli.output import Output
    from bentopack.cli.store import delete_each
    from bentopack.models.store import model_store

    delete_each(model_store(), tags, Output())


@models.command("push")
def push(
    tag: ModelArgument,
    repository: RepositoryArgument,
    tag_there: TagThereOption = None,
    ca_bundle: CaBundleOption = None,
    insecure_registry: InsecureOption = None,
    progress: ProgressOption = Progress.auto,
    output: OutputOption = Format.text,
    verbose: VerboseOption = False,
) -> None:
    """Push a model of the store to a registry, for others to pull.

    It is the very layer that images and Bentos have of it: a repository with them holds it once. A tag that names an
    image or a Bento there is left to it.

    Example:  bentopack models push iris:61160aafabf0e1e6 registry.example/team/iris
    """
    from functools import partial

    from bentopack.cli.transfer import Way, push_all
    from bentopack.image.kinds import MODEL_ARTIFACT
    from bentopack.image.remote import push_model
    from bentopack.models import get as get_model

    model = get_model(tag)

    def prepare(registries: Registries, compiler: Compiler, reporter: Reporter) -> PushTo:
        return partial(push_model, registries, model=model, compiler=compiler, reporter=reporter)

    way = Way(ca_bundle, insecure_registry, output, verbose, progress)
    push_all(way, model.tag, repository, tag_there or (), MODEL_ARTIFACT, {"model": str(model.tag)}, prepare)


@models.command("pull")
def pull(
    tag: TagThereArgument,
    repository: RepositoryArgument,
    ca_bundle: CaBundleOption = None,
    insecure_registry: InsecureOption = None,
    progress: ProgressOption = Progress.auto,
    output: OutputOption = Format.text,
    verbose: VerboseOption = False,
) -> None:
    """Pull a model from a registry into the store, proving every file.

    The version is the tag that it has there. A stored copy that is damaged is replaced.

    Example:  bentopack models pull iris:61160aafabf0e1e6 registry.example/team/iris
    """
    from bentopack.cli.transfer import Way, pull_one
    from bentopack.image.remote import pull_model
    from bentopack.models.store import digest_of, files_of

    def pulled(registries: Registries, reference: Reference, name: str, reporter: Reporter) -> tuple[Tag, Path, str]:
        found = pull_model(registries, reference, name, reporter)
        return found.tag, found.path, digest_of(files_of(found.path))

    pull_one(Way(ca_bundle, insecure_registry, output, verbose, progress), tag, repository, pulled)


def _as_json(model: StoredModel) -> dict[str, Any]:
    import msgspec

    return {
        "tag": str(model.tag),
        "created": model.created.isoformat() if model.created else None,
        "path": str(model.path),
        **msgspec.to_builtins(model.description),
    }
