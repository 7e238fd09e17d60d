"""Tags: what can be one, and what never."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentopack.tag import InvalidTag, Tag, is_name, slug


def test_a_name_alone_means_the_newest() -> None:
    """``iris`` is ``iris:latest``; a name is lower-cased."""
    assert Tag.parse("Iris") == Tag("iris", "latest")
    assert str(Tag.parse("iris:0a1b")) == "iris:0a1b"


@pytest.mark.parametrize("text", ["", ":", "a:", ":1", "a b", "a/b", "a:b:c", "..", "a:..", "-a", "a-", "a:-1", "ä"])
def test_what_cannot_be_a_tag_is_refused(text: str) -> None:
    """Whatever could not be a folder, or an image's name, is refused with what is expected."""
    with pytest.raises(InvalidTag) as error:
        Tag.parse(text)
    assert "expected name or name:version" in str(error.value.hint)


@given(st.text())
def test_any_text_is_a_tag_or_refused(text: str) -> None:
    """No text gives another error, and a tag never holds what leads out of a store."""
    try:
        tag = Tag.parse(text)
    except InvalidTag:
        return
    assert "/" not in str(tag)
    assert not tag.name.startswith(".") and not tag.version.startswith(".")


@given(st.text())
def test_any_identifier_gives_a_name(text: str) -> None:
    """A name made of an identifier is always valid."""
    assert is_name(slug(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [("IrisClassifier", "iris_classifier"), ("HTTPServer", "http_server"), ("svc", "svc"), ("_", "service")],
)
def test_a_class_gives_the_name_one_expects(text: str, name: str) -> None:
    """Camel case becomes snake case."""
    assert slug(text) == name
