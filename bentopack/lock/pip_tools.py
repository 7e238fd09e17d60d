"""The resolver that runs pip-tools' ``pip-compile``: pure Python, for the very platform and Python it runs on."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from bentopack._fs import link_or_copy
from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.credentials import without_credentials
from bentopack.lock.requirements import index_lines
from bentopack.lock.resolver import LockedPackage, Request, Target
from bentopack.lock.sound import require_sound
from bentopack.lock.wheels import fitting

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
            source = _write_inputs(request, Path(folder).resolve())
            output = source.with_name("requirements.txt")
            _compile(source, output, request.indexes.pip_args, reporter)
            packages = [package for package in parse(output.read_text("utf-8")) if package.name != RUNTIME_NAME]
        return tuple(_with_local_wheels(packages, request))


def host_target() -> Target:
    """The Python and platform that this process runs on."""
    machine = platform.machine().lower()
    system = _SYSTEMS.get(sys.platform, sys.platform)
    return Target(f"{sys.version_info.major}.{sys.version_info.minor}", f"{system}/{_MACHINES.get(machine, machine)}")


def parse(text: str) -> Iterator[LockedPackage]:
    """Read ``pip-compile``'s output: ``name==version ; marker --hash=… --hash=…``, lines continued by a backslash.

    Raises:
        LockError: a line is something else; to pass over it would be to lose a package.
    """
    for line in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        if not requirement or requirement.startswith("#"):
            continue
        named, _, marker = (part.strip() for part in requirement.partition(" ; "))
        match = re.fullmatch(r"(?P<name>[\w.-]+)(==(?P<version>\S+)|\s*@\s*(?P<url>\S+))", named)
        if match is None or named.startswith("-"):
            raise LockError(f"pip-compile answered with a line that is no package: {without_credentials(line)!r}")
        url = match["url"]
        yield LockedPackage(
            name=canonicalize_name(match["name"]),
            version=match["version"] or "",
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


def _write_inputs(request: Request, folder: Path) -> Path:
    """Write all that the resolver gets into a folder and return the file that names it."""
    house = folder / "wheelhouse"
    house.mkdir()
    for wheel in request.wheelhouse:
        link_or_copy(wheel.path.resolve(), house / wheel.path.name)
    # Addresses stand in the file, not on the command line: there pip fills in ${VARIABLES}, and no list of the
    # machine's processes shows them.
    lines = list(index_lines(request.indexes))
    lines += [f"--find-links {house.as_uri()}"] if request.wheelhouse else []
    lines += [option for file in request.files for option in file.options]
    lines += [f"{RUNTIME_NAME} @ {request.runtime.resolve().as_uri()}"]
    lines += [f"{wheel.name} @ {wheel.path.resolve().as_uri()}" for wheel in request.wheels]
    lines += request.lines
    lines += [line for file in request.files if not file.constraint for line in file.requirements]
    limits = [line for file in request.files if file.constraint for line in file.requirements]
    lines += [f"-c {_write(folder / 'constraints.txt', limits).name}"] if limits else []
    return _write(folder / "requirements.in", lines)


def _write(path: Path, lines: list[str]) -> Path:
    # The first line is for a pip that would else read by the machine's locale.
    path.write_text("\n".join(["# -*- coding: utf-8 -*-", *lines, ""]), encoding="utf-8")
    return path


def _compile(source: Path, output: Path, pip_args: tuple[str, ...], reporter: Reporter) -> None:
    command = [sys.executable, "-m", "piptools", "compile", *_OPTIONS]
    command += [f"--pip-args={shlex.join(pip_args)}"] if pip_args else []
    said: list[str] = []
    status = run([*command, "--output-file", str(output), str(source)], source.parent, said, reporter)
    if status:
        raise LockError(
            f"the requirements cannot be resolved:\n{explain(said)}",
            hint="correct python.packages or the requirements file; nothing was written",
        )


def run(command: list[str], folder: Path, said: list[str], reporter: Reporter) -> int:
    """Run a resolver and return its exit status. However this ends, the resolver and what it started end too.

    Args:
        said: gets the lines that it prints.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        cwd=folder,
        # It gets this process's environment, which no code here looks into: pip is configured there (PIP_*, proxies,
        # certificates, HOME with pip.conf and netrc), and to resolve without it would be to resolve from elsewhere.
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        start_new_session=True,  # a group of its own, so that the builds that pip starts can be ended with it
    )
    try:
        for line in process.stdout or ():
            said.append(without_credentials(line.rstrip()))
            reporter.output(said[-1])
        return process.wait()
    finally:
        if process.poll() is None and sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


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


def _with_local_wheels(packages: list[LockedPackage], request: Request) -> Iterator[LockedPackage]:
    """Lock a wheel of this machine by its version and its one hash, not by where it lay."""
    own = {wheel.name: wheel for wheel in request.wheels}
    for package in sorted(packages, key=lambda package: package.name):
        wheel = own.get(package.name) or fitting(package, request.wheelhouse)
        if wheel:
            hashes = (f"sha256:{wheel.sha256}",)
            locked = LockedPackage(name=wheel.name, version=wheel.version, hashes=hashes, marker=package.marker)
        elif package.hashes:
            locked = package
        else:
            raise LockError(
                f"'{package.name}' cannot be locked: {package.url or 'it'} has no hash that stays the same",
                hint="build a wheel of it and list the wheel under python.wheels",
            )
        require_sound(locked, "pip-compile")
        yield locked
