"""``bentopack models list|get|delete|push|pull``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bentopack.cli.options import (
    CaBundleOption,
    Format,
    InsecureOption,
    ModelArgument,
    NameArgument,
    OutputOption,
    RepositoryArgument,
)

if TYPE_CHECKING:
    from bentopack.models import StoredModel

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
    ca_bundle: CaBundleOption = None,
    insecure_registry: InsecureOption = None,
    output: OutputOption = Format.text,
) -> None:
    """Push a model of the store to a registry, for others to pull.

    It is the very layer that images and Bentos have of it: a repository with them holds it once.

    Example:  bentopack models push iris:61160aafabf0e1e6 registry.example/team/iris
    """
    from bentopack._fs import EPOCH
    from bentopack._home import home
    from bentopack.cli.output import Output
    from bentopack.cli.registry import reach
    from bentopack.image.compile import Compiler
    from bentopack.image.remote import push_model
    from bentopack.models import get as get_model
    from bentopack.oci.blobs import Blobs
    from bentopack.oci.reference import in_repository

    out = Output()
    model = get_model(tag)
    reference = in_repository(repository, model.tag.version)
    registries = reach(ca_bundle, insecure_registry)
    with out.working() as reporter:
        reporter.step(f"pushing {model.tag} to {reference}")
        compiler = Compiler(Blobs(home() / "cache" / "oci"), reporter, EPOCH)
        digest, sent = push_model(registries, reference, model, compiler=compiler, reporter=reporter)
    if output is Format.json:
        out.json({"model": str(model.tag), "pushed": {str(reference): digest}, "sent": sent.bytes})
    else:
        out.result(f"Pushed {model.tag} to {reference}  {digest}")


@models.command("pull")
def pull(
    tag: ModelArgument,
    repository: RepositoryArgument,
    ca_bundle: CaBundleOption = None,
    insecure_registry: InsecureOption = None,
    output: OutputOption = Format.text,
) -> None:
    """Pull a model from a registry into the store, proving every file.

    Example:  bentopack models pull iris:61160aafabf0e1e6 registry.example/team/iris
    """
    from bentopack.cli.output import Output
    from bentopack.cli.registry import reach
    from bentopack.image.remote import pull_model
    from bentopack.oci.reference import in_repository
    from bentopack.tag import Tag

    out = Output()
    wanted = Tag.parse(tag)
    reference = in_repository(repository, wanted.version)
    registries = reach(ca_bundle, insecure_registry)
    with out.working() as reporter:
        reporter.step(f"pulling {reference}")
        model = pull_model(registries, reference, wanted.name, reporter)
    if output is Format.json:
        out.json({"tag": str(model.tag), "path": str(model.path)})
    else:
        out.result(f"Pulled {model.tag} from {reference}")


def _as_json(model: StoredModel) -> dict[str, Any]:
    import msgspec

    return {
        "tag": str(model.tag),
        "created": model.created.isoformat() if model.created else None,
        "path": str(model.path),
        **msgspec.to_builtins(model.description),
    }
