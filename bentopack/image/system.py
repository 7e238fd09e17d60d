"""Which of the system packages that are asked for the base's release does not have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bentopack.image.system_table import GONE, OTHER_NAMES
from bentopack.image.table import PackageManager


def missing_packages(
    packages: Iterable[str], *, release: str | None, manager: PackageManager | None
) -> Iterator[tuple[str, str]]:
    """Yield each package that is known not to be there, as it was asked for, with what to ask for instead.

    Args:
        packages: names, with versions or without.
        release: such as ``debian12``; where it is not known, only the package manager tells.
        manager: that of the base.
    """
    for asked in packages:
        name = re.split(r"[=~:/]", asked, maxsplit=1)[0]
        releases, successor = GONE.get(name, ((), ""))
        if manager == "apt":
            if release in releases:
                yield asked, successor
        elif other := OTHER_NAMES.get(name, {}).get(manager or ""):
            yield asked, other
