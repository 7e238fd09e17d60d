"""Which file names tell of a secret: a Bento is made to be handed on, and these are not."""

from __future__ import annotations

import re
from fnmatch import translate

_SECRETS = (
    ".env",
    ".env.*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.tfstate",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".netrc",
    "_netrc",
    ".pypirc",
    ".npmrc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
    "credentials",
    "credentials*.json",
    "client_secret*.json",
    "service[-_]account*.json",
    "secrets.y*ml",
    "secrets.json",
    "secrets.toml",
    "kubeconfig",
)
# Files that show which variables there are, without their values.
_HARMLESS = ("*.example", "*.sample", "*.template", "*.dist")


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)))


_SECRET, _SHOWN = _any_of(_SECRETS), _any_of(_HARMLESS)


def looks_secret(path: str) -> bool:
    """Whether the file's name is one under which secrets are kept."""
    name = path.rpartition("/")[2].lower()
    return _SECRET.match(name) is not None and _SHOWN.match(name) is None
