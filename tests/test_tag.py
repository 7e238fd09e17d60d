"""Tags: what can be one, and what never."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bentopack.tag import InvalidTag, Tag, is_name, is_version, slug


def test_a_name_alone_means_the_newest() -> None:
    """``iris`` is ``iris:latest``; a name is lower-cased."""
    assert Tag.parse("Iris") == Tag("iris", "latest")
    assert str(Tag.parse("iris:0a1b")) == "iris:0a1b"
    assert Tag.parse("iris:latest") == Tag("iris")


@pytest.mark.parametrize("name", ["a", "a.b", "a_b", "a__b", "a-b", "a---b", "0", "a" * 63])
def test_what_an_image_may_be_called_is_a_name(name: str) -> None:
    """All separators of OCI repository names are taken."""
    assert Tag.parse(name).name == name


def test_latest_is_no_version_of_its_own() -> None:
    """Nothing can be stored as ``latest``, since that means the newest."""
    assert not is_version("latest")
    assert is_version("latest-1")


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "a:", ":1", "a b", "a/b", "a:b:c", "..", "a:..", "-a", "a-", "a:-1", "ä"),
        *("a..b", "a_.b", "a___b", "a" * 64),
    ],
)
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


@given(st.text() | st.text("aA_", min_size=55))
@example("A" * 62 + "_bc")
def test_any_identifier_gives_a_name(text: str) -> None:
    """A name made of an identifier is always valid, however long it is."""
    assert is_name(slug(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("IrisClassifier", "iris_classifier"),
        ("HTTPServer", "http_server"),
        ("svc", "svc"),
        ("_", "service"),
        ("A__B", "a_b"),
    ],
)
def test_a_class_gives_the_name_one_expects(text: str, name: str) -> None:
    """Camel case becomes snake case."""
    assert slug(text) == name
