"""The resolver that runs pip-tools' ``pip-compile``: pure Python, for the very platform and Python it runs on."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.credentials import without_credentials
from bentopack.lock.resolver import Indexes, LockedPackage, Request, Target

RUNTIME_NAME = "bentopack"
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_SYSTEMS = {"linux": "linux", "darwin": "macOS", "win32": "Windows"}
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
            source = Path(folder) / "requirements.in"
            output = Path(folder) / "requirements.txt"
            source.write_text("\n".join(_input_lines(request)) + "\n", encoding="utf-8")
            _compile(source, output, request.indexes, reporter)
            packages = [package for package in parse(output.read_text("utf-8")) if package.name != RUNTIME_NAME]
        return tuple(_with_local_wheels(packages, request))


def host_target() -> Target:
    """The Python and platform that this process runs on."""
    machine = platform.machine().lower()
    system = _SYSTEMS.get(sys.platform, sys.platform)
    return Target(f"{sys.version_info.major}.{sys.version_info.minor}", f"{system}/{_MACHINES.get(machine, machine)}")


def parse(text: str) -> Iterator[LockedPackage]:
    """Read ``pip-compile``'s output: ``name==version ; marker --hash=… --hash=…``, lines continued by a backslash."""
    for line in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s--hash=", line.strip())
        if not requirement or requirement.startswith(("#", "-")):
            continue
        named, _, marker = (part.strip() for part in requirement.partition(" ; "))
        name, separator, version = named.partition("==")
        url = None
        if not separator:
            name, _, url = (part.strip() for part in named.partition(" @ "))
        yield LockedPackage(
            name=canonicalize_name(name.strip()),
            version=version.strip(),
            hashes=tuple(sorted(each.strip() for each in hashes)),
            marker=marker or None,
            url=without_credentials(url) if url else None,
        )


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


def _input_lines(request: Request) -> Iterator[str]:
    yield f"{RUNTIME_NAME} @ {request.runtime.resolve().as_uri()}"
    yield from (f"-r {path.resolve()}" for path in request.files)
    yield from (f"{wheel.name} @ {wheel.path.resolve().as_uri()}" for wheel in request.wheels)
    yield from request.lines


def _compile(source: Path, output: Path, indexes: Indexes, reporter: Reporter) -> None:
    command = [sys.executable, "-m", "piptools", "compile", *_OPTIONS, *_index_options(indexes)]
    command += ["--output-file", str(output), str(source)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        cwd=source.parent,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    said: list[str] = []
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for above
        for line in process.stdout:
            said.append(line.rstrip())
            reporter.output(line.rstrip())
        process.wait()
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        raise LockError(
            f"the requirements cannot be resolved:\n{explain(said)}",
            hint="correct python.packages or the requirements file; nothing was written",
        )


def explain(said: list[str]) -> str:
    """Keep of a resolver's output what explains: pip's own words and the last error, without the traceback between."""
    start = next((at for at, line in enumerate(said) if line.startswith("Traceback")), len(said))
    kept = [line.strip() for line in said[:start] if line.strip()]
    if start < len(said):
        last = said[-1]
        kept.append(re.sub(r"^[\w.]+: ", "", last))
    if len(kept) > 30:  # a package's own build may print pages: how it began and how it ended tell most
        kept = [*kept[:8], "…", *kept[-20:]]
    text = "\n".join(f"  {line}" for line in kept)
    text = re.sub(r" \(from (-r )?\S*bentopack-lock-\S+( \(line \d+\))?\)", "", text)
    return re.sub(r"\(from versions: ([^)]*)\)", _newest, text)


def _newest(versions: re.Match[str]) -> str:
    return f"(newest versions: {', '.join(versions[1].split(', ')[-5:])})"


def _index_options(indexes: Indexes) -> Iterator[str]:
    if indexes.index_url:
        yield f"--index-url={indexes.index_url}"
    if indexes.no_index:
        yield "--no-index"
    yield from (f"--extra-index-url={url}" for url in indexes.extra_index_url)
    yield from (f"--find-links={place}" for place in indexes.find_links)
    yield from (f"--trusted-host={host}" for host in indexes.trusted_host)
    if indexes.pip_args:
        yield f"--pip-args={shlex.join(indexes.pip_args)}"


def _with_local_wheels(packages: list[LockedPackage], request: Request) -> Iterator[LockedPackage]:
    """Lock a bundled wheel by its version and its one hash, not by where it lay on this machine."""
    local = {wheel.name: wheel for wheel in request.wheels}
    for package in sorted(packages, key=lambda package: package.name):
        wheel = local.get(package.name)
        if wheel:
            hashes = (f"sha256:{wheel.sha256}",)
            yield LockedPackage(name=wheel.name, version=wheel.version, hashes=hashes, marker=package.marker)
        elif package.hashes:
            yield package
        else:
            raise LockError(
                f"'{package.name}' cannot be locked: {package.url or 'it'} has no hash that stays the same",
                hint="build a wheel of it and list the wheel under python.wheels",
            )
