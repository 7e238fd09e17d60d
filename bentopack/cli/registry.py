"""How commands reach registries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bentopack.oci.registry import Registries

_TRIES = 5


def reach(ca_bundle: Path | None, insecure: Sequence[str] | None, *, tries: int = _TRIES) -> Registries:
    """The registries of one command, with this environment's logins and what the command line trusts.

    Raises:
        UsageError: the bundle cannot be read, or is none.
    """
    from bentopack.oci.registry import Registries
    from bentopack.oci.trust import Trust

    bundle = checked_bundle(ca_bundle) if ca_bundle else None
    return Registries(os.environ, Trust(bundle, tuple(insecure or ())), tries)


def checked_bundle(path: Path) -> Path:
    """The absolute path of a file of certificates.

    Raises:
        UsageError: it cannot be read, holds none, or has a name that no builder can be told.
    """
    from bentopack.image.secrets import BadSecret, require_plain

    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise BadSecret(f"--ca-bundle: {path} cannot be read: {error.strerror}") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise BadSecret(f"--ca-bundle: {path} holds no certificate", hint="give a file of certificates in PEM form")
    return require_plain(path.absolute(), "--ca-bundle")
