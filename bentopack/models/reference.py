"""``bentopack.model("iris:latest")``: a service's declaration of a model it needs.

``build`` reads the declaration from the syntax tree; the runtime binds it to a folder before the service is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, overload

from bentopack.errors import NotFound
from bentopack.models.store import StoredModel, get, read_model
from bentopack.tag import Tag

# Where the declared tags lie, in a process that serves; None elsewhere, where the store is asked.
_bound: dict[str, str] | None = None


def bind(folders: Mapping[str, str]) -> None:
    """Say where each declared tag (or alias) lies. The runtime calls this once, before it imports the service."""
    global _bound  # noqa: PLW0603 - a process serves one Bento
    _bound = dict(folders)


class Model:
    """A declared model.

    As a class attribute of a service, ``self.<name>`` is the loaded object (loaded once an instance) and
    ``Service.<name>`` this declaration.
    """

    def __init__(self, tag: str) -> None:
        Tag.parse(tag)  # a tag that is wrong is told where it is written, not at the first request
        self.tag = tag
        self._name = "model"

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Model: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Any: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self
        # A descriptor without __set__ gives way to the instance's own dictionary: the next access does not come here.
        return instance.__dict__.setdefault(self._name, self.load())

    @property
    def info(self) -> StoredModel:
        """What is stored: tag in full, folder, framework, labels and metadata.

        Raises:
            NotFound: the service that runs was not started with it, or it is not in the store.
        """
        if _bound is None:
            return get(self.tag)
        if self.tag not in _bound:
            raise NotFound(
                f"the model '{self.tag}' is not among those that this service was started with",
                hint=f"there are: {', '.join(sorted(_bound)) or 'none'}; list it under models: in the bentofile",
            )
        return read_model(Path(_bound[self.tag]))

    @property
    def path(self) -> Path:
        """The folder of the artifact."""
        return self.info.path

    def load(self) -> Any:
        """Load and return the object that was saved, anew at each call."""
        return self.info.load()

    def __repr__(self) -> str:
        return f"bentopack.model({self.tag!r})"


def model(tag: str) -> Any:
    """Declare that a service needs a model, such as ``iris:latest``; the tag must be a literal string.

    Typed as Any, since on an instance it is the object that was saved.
    """
    return Model(tag)
