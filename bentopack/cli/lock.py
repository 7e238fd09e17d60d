"""``bentopack lock``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bentopack.cli.options import (
    DEFAULT_PLATFORM,
    Format,
    OutputOption,
    PlatformOption,
    ProjectArgument,
    VerboseOption,
    checked_platform,
)

if TYPE_CHECKING:
    from bentopack.bento.build import LockCheck
    from bentopack.cli.output import Output


def lock(
    project: ProjectArgument = Path(),
    platform: PlatformOption = DEFAULT_PLATFORM,
    upgrade: Annotated[bool, typer.Option("--upgrade", "-U", help="Renew every package and the base image.")] = False,
    upgrade_package: Annotated[
        list[str] | None, typer.Option("--upgrade-package", "-P", metavar="NAME", help="Renew only this one; several.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Leave the lock alone; exit with 5 and say why where build --locked would.")
    ] = False,
    allow_unpinned: Annotated[
        bool, typer.Option("--allow-unpinned", help="With --check: accept a base image without its digest.")
    ] = False,
    output: OutputOption = Format.text,
    verbose: VerboseOption = False,
) -> None:
    """Write bentofile.lock: packages, base image and models.

    What is locked stays where the inputs allow, unless it is to be upgraded; models follow the store. Other platforms
    in the lock are kept; run it once a platform to add one. Commit the lock: it makes the same Bento on every machine.

    Example:  bentopack lock --upgrade-package numpy
    """
    from packaging.utils import canonicalize_name

    from bentopack.bento.build import check_lock, lock_project
    from bentopack.bento.options import BuildOptions
    from bentopack.cli.output import Output
    from bentopack.cli.target import open_project
    from bentopack.lock.renewal import Renewal

    _require_sense(check=check, renews=bool(upgrade or upgrade_package), allow_unpinned=allow_unpinned)
    out = Output(verbose=verbose)
    wanted = checked_platform(platform)
    with out.working() as reporter:
        opened, tools = open_project(project, reporter)
        if check:
            found = check_lock(opened, wanted, tools)
        else:
            if (lockfile := opened.spec.python.lockfile) and (upgrade or upgrade_package):
                reporter.warn(f"what {lockfile} holds is renewed by the tool that made it{_renewing(lockfile)}")
            names = tuple(str(canonicalize_name(name)) for name in upgrade_package or ())
            renewal = Renewal(upgrade=upgrade, packages=names, pin=True)
            environment = lock_project(opened, BuildOptions(wanted, renewal=renewal), tools)
    if check:
        _tell(out, found, output, allow_unpinned=allow_unpinned, platform=wanted)
        return
    packages = {variant: len(locked.packages) for variant, locked in environment.variants.items()}
    if output is Format.json:
        out.json({"path": str(environment.lock_path), "python": environment.target.python, "packages": packages})
    else:
        counted = ", ".join(f"{count} packages for {variant}" for variant, count in packages.items())
        out.result(f"Locked {counted} on {wanted}, Python {environment.target.python}")


def _require_sense(*, check: bool, renews: bool, allow_unpinned: bool) -> None:
    from bentopack.errors import UsageError

    if check and renews:
        raise UsageError("--check leaves the lock alone: leave out --upgrade and --upgrade-package, or --check")
    if allow_unpinned and not check:
        raise UsageError("--allow-unpinned goes with --check; without it, a base without its digest is only warned of")


def _renewing(lockfile: str) -> str:
    tool = {"uv.lock": "uv lock --upgrade", "poetry.lock": "poetry update"}.get(Path(lockfile).name)
    return f": {tool}" if tool else ""


def _tell(out: Output, found: LockCheck, output: Format, *, allow_unpinned: bool, platform: str) -> None:
    from bentopack.bento.build import HOW_TO_PIN
    from bentopack.errors import LockError
    from bentopack.lock.make import how_to_renew

    if output is Format.json:
        out.json({"fresh": not found.stale, "reasons": list(found.stale), "unpinned": list(found.unpinned)})
    if found.stale:
        reasons = "\n".join(f"  {each}" for each in found.stale)
        raise LockError(f"bentofile.lock is not up to date:\n{reasons}", hint=how_to_renew(platform))
    if found.unpinned and not allow_unpinned:
        raise LockError("\n".join(found.unpinned), hint=HOW_TO_PIN)
    for problem in found.unpinned:
        out.warn(problem)
    if output is Format.text:
        out.result("bentofile.lock is up to date")
