"""The models that a project needs, found in the store. A service that is run as it lies has no bentofile to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentopack.errors import NotFound
from bentopack.tag import Tag

if TYPE_CHECKING:
    from bentopack.models.store import StoredModel
    from bentopack.spec.bentofile import Model
    from bentopack.spec.declared import DeclaredModel


@dataclass(frozen=True)
class ProjectModel:
    """A model that a project needs, found in the store, with every tag and alias that the project calls it by."""

    spellings: tuple[str, ...]
    stored: StoredModel


def find_models(listed: tuple[Model, ...], declared: tuple[DeclaredModel, ...]) -> tuple[ProjectModel, ...]:
    """Find each model once, however many names the project has for it.

    Args:
        listed: in the bentofile.
        declared: in the code.

    Raises:
        NotFound: one is not in the store; names all that are missing.
    """
    aliases = {model.alias: model.tag for model in listed if model.alias}
    wanted = {model.tag for model in listed} | {model.tag for model in declared if model.tag not in aliases}
    if not wanted:
        return ()
    from bentopack.models.store import get  # takes longer to import than a service without models to be read

    found: dict[Tag, StoredModel] = {}
    spellings: dict[Tag, set[str]] = {}
    missing: list[NotFound] = []
    for spelled in sorted(wanted):
        try:
            stored = get(spelled)
        except NotFound as error:
            missing.append(error)
            continue
        found[stored.tag] = stored
        named = {spelled, *(alias for alias, tag in aliases.items() if tag == spelled)}
        spellings[stored.tag] = spellings.get(stored.tag, set()) | named
    if missing:
        raise NotFound(
            "\n".join(error.message for error in missing),
            hint="\n".join(dict.fromkeys(error.hint or "" for error in missing))
            + "\nsave it with bentopack.save_model(), or correct the tag",
        )
    return tuple(ProjectModel(tuple(sorted(spellings[tag])), found[tag]) for tag in sorted(found))
