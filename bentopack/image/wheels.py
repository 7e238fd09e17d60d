"""Lays the locked wheels out as the image's virtual environment, for its platform, without running any of them."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from bentopack._fs import sha256_file
from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.image import bytecode
from bentopack.image.plan import VENV
from bentopack.image.toolchain import Interpreter, clean_environment
from bentopack.image.validate import PlanError
from bentopack.lock.credentials import concealing
from bentopack.lock.machine import as_uv_reads, authorised_lines, with_limits
from bentopack.lock.process import explain, run
from bentopack.oci.tar import Entry

_PLATFORMS = {"linux/amd64": "x86_64-unknown-linux-gnu", "linux/arm64": "aarch64-unknown-linux-gnu"}
_OF_THIS_MACHINE = ("direct_url.json", "uv_cache.json")  # where a wheel lay, and when it was written
_CHUNK = 200  # files that one process compiles; the bytes depend on it
_SHEBANG = f"#!{VENV}/bin/python\n".encode()
_PACKAGES = re.compile(r"python\d+\.\d+t?")
_LOCKED = re.compile(r"([a-z0-9-]+)(?:==| @ )")
_NO_WHEEL = re.compile(r"(?:Because|package) `?([A-Za-z0-9._-]+)`?\S* (?:has no usable wheels|can't be installed)")


@dataclass(frozen=True)
class Distribution:
    """One installed wheel. ``identity`` tells it from every other: its name, version, tags and locked hashes.

    ``recorded`` are the hashes that its RECORD has, by path. Where it is ``at_odds``, another one has a file of its own
    at one of its paths.
    """

    name: str
    version: str
    identity: tuple[str, ...]
    entries: tuple[Entry, ...]
    recorded: Mapping[str, str] = field(default_factory=dict)
    at_odds: bool = False

    @property
    def size(self) -> int:
        """The bytes of its files."""
        return sum(entry.size for entry in self.entries)


def lay_out(requirements: Path, python: str, platform: str, into: Path, reporter: Reporter) -> list[Distribution]:
    """Install locked wheels below a folder with uv, which downloads what its cache lacks and runs nothing.

    Each gets its own files, also where two have one at the same path: what uv leaves there is decided by chance.

    Args:
        requirements: the hashed requirements in the Bento; ``wheels`` lies beside them where there are some.
        python: the image's, such as ``3.11``.
        platform: such as ``linux/amd64``.
        into: an empty folder. It has to stay while the distributions are read.
        reporter: gets what uv prints.

    Raises:
        PlanError: a package has no wheel, or there is no such platform.
        LockError: a wheel cannot be had.
    """
    if platform not in _PLATFORMS:
        raise PlanError(f"images are compiled for {' and '.join(_PLATFORMS)}, not for {platform}", hint=_DOCKER)
    text = requirements.read_text("utf-8")

    def laid(lines: str, prefix: Path, *options: str) -> list[Distribution]:
        _install(lines, requirements.parent / "wheels", python, platform, prefix, reporter, options)
        [packages] = prefix.glob("lib/python*/site-packages")
        found = [_distribution(info, prefix, python, hashes) for info in packages.glob("*.dist-info")]
        return sorted(found, key=lambda each: each.name)

    hashes = _hashes(text)
    together = laid(text, into / "all")
    at_odds = _at_odds(together)
    found = []
    for each in together:
        if each.name in at_odds:
            [alone] = laid(_only(text, each.name), into / "alone" / each.name, "--no-deps")
            found.append(replace(alone, at_odds=True))
        else:
            found.append(each)
    return [*found, *_unrecorded(into / "all", python, found)]


def _at_odds(found: Iterable[Distribution]) -> set[str]:
    """The names of those that have another file than another one at the same path."""
    said: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for each in found:
        for path, digest in each.recorded.items():
            said[path].append((each.name, digest))
    several = [rows for rows in said.values() if len(rows) > 1]
    # Of what has no hash nobody knows whether it is the same.
    return {name for rows in several if len({digest or name for name, digest in rows}) > 1 for name, _ in rows}


def _only(text: str, package: str) -> str:
    """Of locked requirements what concerns one package, and where packages are looked for."""
    kept, taken = [], True
    for line in text.splitlines(keepends=True):
        if match := _LOCKED.match(line):
            taken = match[1] == package
        elif not line[0].isspace():
            taken = line.startswith("-")
        kept.append(line if taken else "")
    return "".join(kept)


def _unrecorded(prefix: Path, python: str, found: Sequence[Distribution]) -> Iterator[Distribution]:
    """Yield what no wheel's RECORD owns to, and is installed all the same."""
    owned = {entry.path for each in found for entry in each.entries}
    files = sorted(
        path for path in prefix.rglob("*") if path.is_file() and path.name not in (".lock", *_OF_THIS_MACHINE)
    )
    entries = [_entry(path, path.relative_to(prefix), python, None) for path in files]
    left = tuple(entry for entry in entries if entry.path not in owned)
    told = [f"{entry.path} {sha256_file(entry.source)}" for entry in left if isinstance(entry.source, Path)]
    if left:
        yield Distribution("unrecorded files", "", ("unrecorded", *told), left)


def _install(
    text: str, house: Path, python: str, platform: str, into: Path, reporter: Reporter, options: Sequence[str]
) -> None:
    from uv import find_uv_bin

    lines = authorised_lines(text, os.environ).replace("--find-links wheels\n", f"--find-links {house.as_uri()}\n")
    command = [find_uv_bin(), "pip", "install", "--python", sys.executable, "--prefix", str(into), "--no-config"]
    command += ["--python-version", python, "--python-platform", _PLATFORMS[platform], "--only-binary", ":all:"]
    command += ["--require-hashes", "--index-strategy", "unsafe-best-match", "--no-progress", "--color", "never"]
    command += options
    said: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bentopack-wheels-") as folder:
        copy = Path(folder, "requirements.txt")
        copy.write_text(lines, encoding="utf-8")
        failed = run(
            [*command, "--requirement", str(copy)],
            Path(folder),
            said,
            reporter,
            environment=with_limits(os.environ, as_uv_reads(os.environ)),
            conceal=concealing(text.splitlines(), os.environ),
        )
    if failed:
        if unbuilt := next((match for line in said if (match := _NO_WHEEL.search(line))), None):
            raise PlanError(f"{unbuilt[1]} has no wheel for {platform} and Python {python}", hint=_NO_WHEEL_HINT)
        raise LockError(f"the locked packages cannot be laid out:\n{explain(said)}", hint="the lock was not changed")


_DOCKER = "use --backend docker, which runs the build in the image"
_NO_WHEEL_HINT = f"build one and name it under python.wheels, or {_DOCKER}"


def _hashes(text: str) -> dict[str, tuple[str, ...]]:
    """The locked hashes of each package, by its normalised name."""
    found: dict[str, tuple[str, ...]] = {}
    name = ""
    for line in text.splitlines():
        if match := _LOCKED.match(line):
            name = match[1]
            found.setdefault(name, ())
        elif match := re.search(r"--hash=(\S+)", line):
            found[name] = tuple(sorted((*found[name], match[1])))
    return found


def _distribution(info: Path, prefix: Path, python: str, hashes: dict[str, tuple[str, ...]]) -> Distribution:
    name, _, version = info.name.removesuffix(".dist-info").partition("-")
    normal = re.sub(r"[-_.]+", "-", name).lower()
    tags = sorted(line for line in (info / "WHEEL").read_text("utf-8").splitlines() if line.startswith("Tag:"))
    rows, entries, recorded = [], [], {}
    for path, digest, size in csv.reader(io.StringIO((info / "RECORD").read_text("utf-8"))):
        file = Path(os.path.normpath(info.parent / path))
        if file.name in (*_OF_THIS_MACHINE, "RECORD") and file.parent == info:
            continue  # the last is written below
        inside = file.relative_to(prefix)
        content = _script(file) if inside.parts[0] == "bin" else None
        entries.append(_entry(file, inside, python, content))
        recorded[entries[-1].path] = digest
        rows.append((path, _recorded(content), str(len(content))) if content is not None else (path, digest, size))
    record = info / "RECORD"
    rows.append((f"{info.name}/RECORD", "", ""))
    entries.append(_entry(record, record.relative_to(prefix), python, _written(sorted(rows))))
    identity = (normal, version, *tags, *hashes.get(normal, ()))
    return Distribution(normal, version, identity, tuple(entries), recorded)


def _entry(file: Path, inside: Path, python: str, content: bytes | None) -> Entry:
    """A file at its place in the environment: the folder of packages has the name of the Python that ran uv."""
    parts = list(inside.parts)
    if parts[0] == "lib64":
        parts[0] = "lib"  # it is a link to it
    if _PACKAGES.fullmatch(parts[1] if parts[0] == "lib" and len(parts) > 2 else ""):
        parts[1] = f"python{python}"
    executable = inside.parts[0] == "bin" or file.stat().st_mode & 0o100
    return Entry(
        "/".join([VENV[1:], *parts]), 0o755 if executable else 0o644, source=file if content is None else content
    )


def _script(file: Path) -> bytes:
    """A script, started by the image's Python instead of this one. Where a path is long, a shell starts it."""
    content = file.read_bytes()
    first, _, rest = content.partition(b"\n")
    if first == b"#!/bin/sh" and rest.startswith(b"'''exec' "):
        return (
            _SHEBANG + rest.split(b"\n' '''\n", 1)[-1] if b"\n' '''\n" in rest else _SHEBANG + rest.split(b"\n", 2)[-1]
        )
    return _SHEBANG + rest if first.startswith(b"#!") and b"python" in first else content


def _recorded(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"


def _written(rows: Iterable[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def compiled(
    groups: Sequence[Sequence[Entry]], python: str, compiler: Interpreter | None, into: Path, reporter: Reporter
) -> list[list[Entry]]:
    """Compile the Python files among entries, and return the entries of their bytecode for each group.

    Each process gets the same files of one group in the same order, whatever else is compiled.

    Args:
        groups: entries that are compiled apart from each other.
        python: the version that the bytecode is for.
        compiler: a Python of that version; without one nothing is compiled.
        into: an empty folder for the bytecode, which has to stay while the entries are read.
        reporter: is told where nothing can be compiled.
    """
    if compiler is None:
        reporter.warn(f"there is no Python {python} here, so the image holds no bytecode: it starts more slowly")
        return [[] for _ in groups]
    tag = f"cpython-{python.replace('.', '')}"
    works, outputs = [], []
    for number, group in enumerate(groups):
        sources = sorted((entry for entry in group if _is_compiled(entry)), key=lambda entry: entry.path)
        names = {entry.path: _bytecode_of(entry.path, tag) for entry in sources}
        outputs.append([(name, into / str(number) / name) for name in names.values()])
        for start in range(0, len(sources), _CHUNK):
            listed = into / f"{number}-{start}.txt"
            lines = [
                f"{entry.source!s}\0/{entry.path}\0{into / str(number) / names[entry.path]}\0"
                for entry in sources[start : start + _CHUNK]
            ]
            listed.write_bytes("".join(lines).encode())
            works.append([compiler.path, "-s", "-S", str(Path(bytecode.__file__)), str(listed)])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_run, works))
    return [[Entry(name, 0o644, source=path) for name, path in group if path.exists()] for group in outputs]


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False, env=clean_environment()
    )
    if done.returncode:
        why = done.stderr.strip().rpartition("\n")[2] or f"it ended with {done.returncode}"
        raise PlanError(f"{command[0]} does not compile the packages' bytecode: {why}", hint=_DOCKER)


def _is_compiled(entry: Entry) -> bool:
    """Whether somebody imports it: a package's own tests, nobody does."""
    return isinstance(entry.source, Path) and entry.path.endswith(".py") and not re.search("/tests?/", entry.path)


def _bytecode_of(path: str, tag: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc"


def skeleton(python: str, interpreter: str) -> Iterator[Entry]:
    """Yield what makes a folder a virtual environment of an interpreter of the base's."""
    home, _, name = interpreter.rpartition("/")
    for each in ("python", "python3", f"python{python}"):
        yield Entry(f"{VENV[1:]}/bin/{each}", 0o777, target=interpreter if each == "python" else "python")
    yield Entry(f"{VENV[1:]}/lib64", 0o777, target="lib")
    settings = f"home = {home}\ninclude-system-site-packages = false\nversion = {python}\nexecutable = {home}/{name}\n"
    yield Entry(f"{VENV[1:]}/pyvenv.cfg", source=settings.encode())
