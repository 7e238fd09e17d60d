"""A service without a model or a framework: text, bytes and JSON values, with types from the hints."""

import hashlib
from collections import Counter
from dataclasses import dataclass

import bentopack


@dataclass
class Summary:
    """What there is to say of a text."""

    words: int
    characters: int
    commonest: list[str]


@bentopack.service
class TextTools:
    @bentopack.api
    def summarize(self, text: str, top: int = 3) -> Summary:
        """Count a text's words and characters, and name its commonest words."""
        words = text.lower().split()
        commonest = [word for word, _ in Counter(words).most_common(top)]
        return Summary(words=len(words), characters=len(text), commonest=commonest)

    @bentopack.api
    def shout(self, text: str) -> str:
        """Answer a text in capitals."""
        return text.upper()

    @bentopack.api
    def digest(self, data: bytes) -> str:
        """The SHA-256 of the body, in hex."""
        return hashlib.sha256(data).hexdigest()
