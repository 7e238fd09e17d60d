"""``bentopack.model``: the declaration in a service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import bentopack
from bentopack.errors import NotFound
from bentopack.models import reference
from bentopack.tag import InvalidTag


@pytest.fixture
def unbound() -> Iterator[None]:
    """Bind models as the runtime does, and take it back."""
    before = reference._bound
    yield
    reference._bound = before


class Service:
    table = bentopack.model("table:latest")


def test_an_instance_has_the_object_and_the_class_the_declaration(home: Path) -> None:
    """``self.table`` is the saved object, loaded once an instance; ``Service.table`` tells of it."""
    saved = bentopack.save_model("table", {"a": 1})
    service = Service()
    assert service.table == {"a": 1}
    assert service.table is service.table
    assert Service.table.tag == "table:latest"
    assert Service.table.info.tag == saved.tag
    assert Service.table.path == saved.path


def test_in_a_bento_the_store_is_not_asked(home: Path, unbound: None) -> None:
    """Once bound, a declared tag means the Bento's model, whatever the store has since."""
    old = bentopack.save_model("table", "old")
    bentopack.save_model("table", "new")
    reference.bind({"table:latest": str(old.path)})
    assert Service().table == "old"


def test_an_undeclared_model_is_told(home: Path, unbound: None) -> None:
    """Asking a Bento for a model that it does not carry says which it carries."""
    reference.bind({"other:latest": "/nowhere"})
    with pytest.raises(NotFound, match="'table:latest' is not among those") as error:
        Service()
        bentopack.model("table:latest").load()
    assert "other:latest" in str(error.value.hint)


def test_a_bad_tag_is_told_where_it_is_written() -> None:
    """A tag that cannot be one fails at the declaration."""
    with pytest.raises(InvalidTag):
        bentopack.model("no such tag!")
