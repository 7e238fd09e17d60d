"""Whether what a marker stands at belongs into the image: evaluated for the target, never for this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal, cast

from packaging.markers import Environment, Marker
from packaging.specifiers import SpecifierSet

from bentopack.errors import LockError
from bentopack.lock.resolver import Target

_MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
_PATCHES = 40  # no Python had as many patch releases


def selected(marker: Marker | None, target: Target, groups: Collection[str] = ()) -> tuple[bool, str | None]:
    """Tell whether a package belongs into the image, and under which marker if that depends on the patch release.

    A target names no patch release, so what asks for one (``python_full_version < "3.11.4"``) is left to the image.

    Args:
        groups: dependency groups that are installed; extras are none.
    """
    if marker is None:
        return True, None
    text = str(marker)
    about_locks = "extras" in text or "dependency_groups" in text
    # pip's own markers know nothing of groups: such a marker cannot be left to it.
    patches = range(_PATCHES) if "full_version" in text and not about_locks else range(_PATCHES - 1, _PATCHES)
    answers = {_holds(marker, each, groups, about_locks=about_locks) for each in _environments(target, patches)}
    return True in answers, text if len(answers) > 1 else None


def selected_environment(markers: Collection[Marker], target: Target) -> bool:
    """Tell whether one of a lockfile's environments is the target; one that names none is for all."""
    return not markers or any(selected(marker, target)[0] for marker in markers)


def takes_python(requires: SpecifierSet | None, target: Target) -> bool:
    """Tell whether a release of the target's Python is among those required."""
    if requires is None:
        return True
    return any(requires.contains(f"{target.python}.{patch}") for patch in range(_PATCHES))


def _holds(marker: Marker, environment: Environment, groups: Collection[str], *, about_locks: bool) -> bool:
    more: dict[str, str | frozenset[str]] = {"extras": frozenset(), "dependency_groups": frozenset(groups)}
    if not about_locks:
        more = {"extra": ""}
    context: Literal["lock_file", "metadata"] = "lock_file" if about_locks else "metadata"
    return marker.evaluate({**cast("dict[str, str | frozenset[str]]", environment), **more}, context)


def _environments(target: Target, patches: range) -> Iterator[Environment]:
    if target.platform not in _MACHINES:
        raise LockError(
            f"a lockfile cannot be read for the platform {target.platform}", hint=f"known: {', '.join(_MACHINES)}"
        )
    for patch in patches:
        version = f"{target.python}.{patch}"
        yield {
            "implementation_name": "cpython",
            "implementation_version": version,
            "os_name": "posix",
            "platform_machine": _MACHINES[target.platform],
            "platform_python_implementation": "CPython",
            "platform_release": "",  # that of whichever machine runs the image
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": version,
            "python_version": target.python,
            "sys_platform": "linux",
        }
