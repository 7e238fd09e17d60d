"""The resolver that runs pip-tools' ``pip-compile``: pure Python, for the very platform and Python it runs on."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.compiled import OUTPUT_NAME, locked, parse, write_inputs
from bentopack.lock.credentials import concealing, without_credentials
from bentopack.lock.explicit import NoExplicitIndex
from bentopack.lock.failure import unresolved
from bentopack.lock.machine import as_pip_reads
from bentopack.lock.pip_log import read_log, unfetched, with_reasons
from bentopack.lock.process import run
from bentopack.lock.resolver import LockedPackage, Request, Target, host_target
from bentopack.lock.wheels import require_fit

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
        _require_no_explicit(request)
        require_fit(request.wheels, target)
        with tempfile.TemporaryDirectory(prefix="bentopack-lock-") as folder:
            source = write_inputs(request, Path(folder).resolve())
            return tuple(locked(parse(_compile(source, request, reporter)), request, target))


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


def _require_no_explicit(request: Request) -> None:
    if request.explicit is None:
        return
    raise NoExplicitIndex(
        f"pip-tools cannot take {' and '.join(request.explicit.names)} from an index of its own "
        f"({without_credentials(request.explicit.address)}): it looks for every package in every index",
        hint="let uv resolve (install it, and leave out python.pip_args), or set python.torch_index: false and name "
        "the index under python.extra_index_url",
    )


def _compile(source: Path, request: Request, reporter: Reporter) -> str:
    output, log = source.with_name(OUTPUT_NAME), source.with_name("pip.log")
    command = [sys.executable, "-m", "piptools", "compile", *_OPTIONS]
    # What pip passes over stands in its log alone.
    command += [f"--pip-args={shlex.join(['--log', str(log), *request.indexes.pip_args])}"]
    command += [f"--upgrade-package={name}" for name in request.upgrade]
    lines = source.read_text("utf-8").splitlines()
    conceal = concealing(lines, os.environ)
    said: list[str] = []
    status = run(
        [*command, "--output-file", str(output), str(source)],
        source.parent,
        said,
        reporter,
        environment=as_pip_reads(os.environ),
        conceal=conceal,
    )
    told = read_log(conceal(log.read_text("utf-8", "replace"))) if log.exists() else []
    # Where pip cannot ask an index it takes what another one has under the same name.
    if status or unfetched(told):
        raise unresolved(with_reasons(said, told, lines), lines, os.environ)
    return conceal(output.read_text("utf-8"))
