"""Which file names tell of a secret: a Bento is made to be handed on, and these are not."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath

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


def looks_secret(path: str) -> bool:
    """Whether the file's name is one under which secrets are kept."""
    name = PurePosixPath(path).name.lower()
    if any(fnmatchcase(name, pattern) for pattern in _HARMLESS):
        return False
    return any(fnmatchcase(name, pattern) for pattern in _SECRETS)
