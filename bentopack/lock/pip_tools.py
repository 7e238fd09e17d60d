"""The resolver that runs pip-tools' ``pip-compile``: pure Python, for the very platform and Python it runs on."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.compiled import OUTPUT_NAME, locked, parse, write_inputs
from bentopack.lock.process import explain, run
from bentopack.lock.resolver import LockedPackage, Request, Target, host_target

_OPTIONS = (
    "--quiet",
    "--no-header",
    "--no-annotate",
    "--generate-hashes",
    "--allow-unsafe",  # setuptools and friends are packages like any other once hashes are required
    "--strip-extras",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-emit-trusted-host",
    "--no-emit-options",
    "--no-reuse-hashes",
    "--no-config",
    "--resolver=backtracking",
)


class PipToolsResolver:
    """Runs ``pip-compile`` in a process of its own, with a folder of its own, and reads what it writes."""

    def resolve(self, request: Request, target: Target, reporter: Reporter) -> tuple[LockedPackage, ...]:
        _require_host(target)
        with tempfile.TemporaryDirectory(prefix="bentopack-lock-") as folder:
            source = write_inputs(request, Path(folder).resolve())
            output = source.with_name(OUTPUT_NAME)
            _compile(source, output, request, reporter)
            return tuple(locked(parse(output.read_text("utf-8")), request, target))


def _require_host(target: Target) -> None:
    host = host_target()
    if target == host:
        return
    raise LockError(
        f"pip-tools resolves only for the machine it runs on: this is Python {host.python} on {host.platform}, "
        f"the image has Python {target.python} on {target.platform}",
        hint=(
            f"run bentopack under Python {target.python} on {target.platform}, or change docker.python_version and "
            "--platform; where bentofile.lock is committed and fresh nothing is resolved"
        ),
    )


def _compile(source: Path, output: Path, request: Request, reporter: Reporter) -> None:
    command = [sys.executable, "-m", "piptools", "compile", *_OPTIONS]
    pip_args = request.indexes.pip_args
    command += [f"--pip-args={shlex.join(pip_args)}"] if pip_args else []
    command += [f"--upgrade-package={name}" for name in request.upgrade]
    said: list[str] = []
    status = run([*command, "--output-file", str(output), str(source)], source.parent, said, reporter)
    if status:
        raise LockError(
            f"the requirements cannot be resolved:\n{explain(said)}",
            hint="correct python.packages or the requirements file; nothing was written",
        )
