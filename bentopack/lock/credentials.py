"""Keeps passwords out of everything that is written."""

from __future__ import annotations

import re

_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)([^/?#\s]*)@", re.IGNORECASE)
_REFERENCE = r"\$\{[A-Za-z0-9_]+\}"


def without_credentials(text: str) -> str:
    """Drop ``user:password@`` and ``token@`` from every URL in a text; pip asks the environment or netrc for them.

    What only refers to variables, such as ``${USER}:${TOKEN}@``, stays: it tells nothing, and pip fills it in.
    """
    return _USER.sub(lambda match: match[0] if _is_reference(match[2]) else match[1], text)


def _is_reference(user: str) -> bool:
    return re.fullmatch(f"{_REFERENCE}(:{_REFERENCE})?", user) is not None
