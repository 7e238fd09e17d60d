"""``bentopack models list|get|delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bentopack.cli.options import Format, ModelArgument, NameArgument, OutputOption

if TYPE_CHECKING:
    from bentopack.models import StoredModel

models = typer.Typer(no_args_is_help=True, help="List, show and delete the models of the store.")


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


def _as_json(model: StoredModel) -> dict[str, Any]:
    import msgspec

    return {
        "tag": str(model.tag),
        "created": model.created.isoformat() if model.created else None,
        "path": str(model.path),
        **msgspec.to_builtins(model.description),
    }
