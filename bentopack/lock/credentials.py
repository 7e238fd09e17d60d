"""Keeps passwords out of everything that is written."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit


def without_credentials(text: str) -> str:
    """Drop ``user:password@`` from every URL in a text; pip asks the environment or netrc for them again."""
    if "@" not in text:
        return text
    return re.sub(r"\b[a-z][a-z0-9+.-]*://\S+", lambda match: _bare(match.group()), text, flags=re.IGNORECASE)


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
