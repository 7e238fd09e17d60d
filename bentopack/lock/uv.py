"""The resolver that runs ``uv pip compile``: for any platform and Python, whatever it runs on."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.compiled import OUTPUT_NAME, locked, parse, write_inputs
from bentopack.lock.credentials import concealing, expanded
from bentopack.lock.explicit import write_explicit
from bentopack.lock.failure import unresolved
from bentopack.lock.machine import as_uv_reads, authorised, with_limits
from bentopack.lock.process import run
from bentopack.lock.resolver import LockedPackage, Request, Target
from bentopack.lock.wheels import require_fit

_OPTIONS = (
    "--quiet",
    "--no-header",
    "--no-annotate",
    "--generate-hashes",
    "--no-config",  # a uv.toml of this machine is no input of the project
    "--no-python-downloads",
    "--no-progress",
    "--color=never",
)
# What an image for the platform runs: the wheels of these tags, and those that they include.
_PLATFORMS = {"linux/amd64": "x86_64-unknown-linux-gnu", "linux/arm64": "aarch64-unknown-linux-gnu"}


class UvResolver:
    """Runs ``uv`` in a process of its own, with a folder of its own, and reads what it writes."""

    def resolve(self, request: Request, target: Target, reporter: Reporter) -> tuple[LockedPackage, ...]:
        if target.platform not in _PLATFORMS:
            raise LockError(
                f"uv cannot resolve for the platform {target.platform}", hint=f"known: {', '.join(_PLATFORMS)}"
            )
        require_fit(request.wheels, target)
        with tempfile.TemporaryDirectory(prefix="bentopack-lock-") as folder:
            source = write_inputs(request, Path(folder).resolve())
            output = source.with_name(OUTPUT_NAME)
            return tuple(locked(parse(_compile(source, output, target, request, reporter)), request, target))


def _compile(source: Path, output: Path, target: Target, request: Request, reporter: Reporter) -> str:
    from uv import find_uv_bin

    command = [find_uv_bin(), "pip", "compile", *_OPTIONS]
    command += ["--python-version", target.python, "--python-platform", _PLATFORMS[target.platform]]
    command += [option for name in request.upgrade for option in ("--upgrade-package", name)]
    lines = source.read_text("utf-8").splitlines()
    environment = _environment(request)
    sources = [str(source)]
    if request.explicit:
        project, who = write_explicit(request.explicit, source.parent, os.environ)
        sources.append(str(project))
        environment |= who
        lines.append(request.explicit.address)
    conceal = concealing(lines, os.environ)
    said: list[str] = []
    status = run(
        [*command, "--output-file", str(output), *sources],
        source.parent,
        said,
        reporter,
        environment=environment,
        conceal=conceal,
    )
    if status:
        raise unresolved(said, lines, os.environ)
    return conceal(output.read_text("utf-8"))


def _environment(request: Request) -> dict[str, str]:
    """What uv is told beside this process's environment: where to look, and how long to wait."""
    told = with_limits(os.environ, as_uv_reads(os.environ))
    # To uv the environment's index comes before the file's; here the project's is the one that the lock names.
    project = expanded(authorised(request.indexes, os.environ).index_url or "", os.environ)
    return {**told, "UV_DEFAULT_INDEX": project} if project else told
