"""Tags: ``name:version``, the name of a Bento or of a model in its store."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bentopack.errors import UsageError

# What is valid in an OCI repository name and tag and as a folder name everywhere. The length stands in front, as a
# look at what follows, so that the pattern can be a part of another one.
NAME_PATTERN = r"(?![a-z0-9._-]{64})[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
VERSION_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
LATEST = "latest"

_EXPECTED = (
    "expected name or name:version; a name has at most 63 lower-case letters and digits, with '.', '_' or '-' between "
    "them, a version at most 128 letters, digits, '.', '_' and '-'"
)


class InvalidTag(UsageError):
    """A text that is not ``name`` or ``name:version``."""

    @classmethod
    def of(cls, text: str) -> InvalidTag:
        return cls(f"'{text}' is not a valid tag", hint=_EXPECTED)


@dataclass(frozen=True, order=True)
class Tag:
    """A name and a version; ``version`` is ``latest`` where the newest is meant."""

    name: str
    version: str = LATEST

    @classmethod
    def parse(cls, text: str) -> Tag:
        """Read ``name`` (meaning the newest) or ``name:version``; a name is lower-cased, as BentoML does.

        Raises:
            InvalidTag: the text is neither.
        """
        name, colon, version = text.partition(":")
        name = name.lower()
        if not is_name(name) or (colon and version != LATEST and not is_version(version)):
            raise InvalidTag.of(text)
        return cls(name, version or LATEST)

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


def is_name(text: str) -> bool:
    """Whether ``text`` can be the name of a Bento, a model or an image repository."""
    return re.fullmatch(NAME_PATTERN, text) is not None


def is_version(text: str) -> bool:
    """Whether ``text`` can be the version of something; ``..`` and hidden names cannot, nor what means the newest."""
    return text != LATEST and re.fullmatch(VERSION_PATTERN, text) is not None


def slug(text: str) -> str:
    """Make a valid name out of an identifier: ``IrisClassifier`` gives ``iris_classifier``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    # Cut before the ends are stripped: the cut may leave a '_' at the end.
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).lstrip("_")[:63].rstrip("_") or "service"
