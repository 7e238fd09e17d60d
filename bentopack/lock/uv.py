"""The resolver that runs ``uv pip compile``: for any platform and Python, whatever it runs on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.compiled import OUTPUT_NAME, locked, parse, write_inputs
from bentopack.lock.process import explain, run
from bentopack.lock.resolver import LockedPackage, Request, Target

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
# Where pip is told of an index by the environment, and uv would look for it under another name.
_LIKE_PIP = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_DEFAULT_TIMEOUT": "UV_HTTP_TIMEOUT",
}


class UvResolver:
    """Runs ``uv`` in a process of its own, with a folder of its own, and reads what it writes."""

    def resolve(self, request: Request, target: Target, reporter: Reporter) -> tuple[LockedPackage, ...]:
        if target.platform not in _PLATFORMS:
            raise LockError(
                f"uv cannot resolve for the platform {target.platform}", hint=f"known: {', '.join(_PLATFORMS)}"
            )
        with tempfile.TemporaryDirectory(prefix="bentopack-lock-") as folder:
            source = write_inputs(request, Path(folder).resolve())
            output = source.with_name(OUTPUT_NAME)
            _compile(source, output, target, request.upgrade, reporter)
            return tuple(locked(parse(output.read_text("utf-8")), request, target))


def _compile(source: Path, output: Path, target: Target, upgrade: tuple[str, ...], reporter: Reporter) -> None:
    from uv import find_uv_bin

    command = [find_uv_bin(), "pip", "compile", *_OPTIONS]
    command += ["--python-version", target.python, "--python-platform", _PLATFORMS[target.platform]]
    command += [option for name in upgrade for option in ("--upgrade-package", name)]
    said: list[str] = []
    status = run(
        [*command, "--output-file", str(output), str(source)],
        source.parent,
        said,
        reporter,
        environment=as_uv_reads(os.environ),
    )
    if status:
        raise LockError(
            f"the requirements cannot be resolved:\n{explain(said)}",
            hint="correct python.packages or the requirements file; nothing was written",
        )


def as_uv_reads(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which uv looks where pip would, for what uv itself was told nothing of."""
    return {
        ours: environment[pips]
        for pips, ours in _LIKE_PIP.items()
        if environment.get(pips) and not environment.get(ours)
    }
