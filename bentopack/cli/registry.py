"""How commands reach registries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bentopack.oci.registry import Registries


def reach(ca_bundle: Path | None, insecure: Sequence[str] | None) -> Registries:
    """The registries of one command, with this environment's logins and what the command line trusts."""
    from bentopack.oci.registry import Registries
    from bentopack.oci.trust import Trust

    return Registries(os.environ, Trust(ca_bundle, tuple(insecure or ())))
