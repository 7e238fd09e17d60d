"""Conda packages made here, and what installs them in an image: for there is no channel within reach of every test."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from bentopack.image.table import MICROMAMBA_IMAGE
from tests.integration.conftest import docker
from tests.lock.channel import LocalChannel

_PULL_SECONDS = 60
PLACEHOLDER = "/placeholder_" + "x" * 60
"""Stands in a package's files for the folder that they are installed into."""

# Understands what the Dockerfile asks of it and no more. It is no solver, and neither is micromamba there.
_STAND_IN = """\
#!/usr/bin/python3
import asyncio, io, json, sys, tarfile, urllib.request
import rattler

options = sys.argv[1:]
assert options[:5] == ["create", "--yes", "--quiet", "--always-copy", "--no-pyc"], options
assert options[5::2] == ["--prefix", "--file"], options
prefix, listed = options[6::2]
lines = [line for line in open(listed).read().splitlines() if not line.startswith("#")]
assert lines[0] == "@EXPLICIT", lines

def record(line):
    url, _, sha256 = line.partition("#")
    archive = tarfile.open(fileobj=io.BytesIO(urllib.request.urlopen(url).read()))
    told = json.load(archive.extractfile("info/index.json"))
    package = rattler.PackageRecord(
        told["name"],
        told["version"],
        rattler.BuildString(told["build"]),
        0,
        told["subdir"],
        sha256=bytes.fromhex(sha256),
    )
    return rattler.RepoDataRecord(package, url.rpartition("/")[2], url, url.rpartition("/")[0])

asyncio.run(rattler.install([record(line) for line in lines[1:]], prefix, show_progress=False))
"""
_DOCKERFILE = """\
FROM {base}
COPY rattler /usr/lib/python3/dist-packages/rattler
COPY micromamba /usr/local/bin/micromamba
"""


@dataclass(frozen=True)
class CondaPackage:
    """What goes into one package: its files by their paths, bytes or the target of a link."""

    name: str
    version: str
    files: Mapping[str, bytes | PurePosixPath]
    depends: tuple[str, ...] = ()
    executable: tuple[str, ...] = ()


def publish(channel: LocalChannel, package: CondaPackage) -> None:
    """Write a package in conda's older form, which needs no compressor of its own, and list it in the channel."""
    index = {
        "name": package.name,
        "version": package.version,
        "build": "h0_0",
        "build_number": 0,
        "depends": list(package.depends),
        "subdir": "linux-64",
        "license": "MIT",
    }
    paths = [_path(name, content) for name, content in sorted(package.files.items())]
    about = {"info/index.json": index, "info/paths.json": {"paths": paths, "paths_version": 1}}
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:bz2", compresslevel=1) as archive:
        told = {name: json.dumps(value).encode() for name, value in about.items()}
        for name, content in {**told, **package.files}.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size, member.mode = len(content), 0o755 if name in package.executable else 0o644
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = tarfile.SYMTYPE, str(content)
                archive.addfile(member)
    channel.publish(f"{package.name}-{package.version}-h0_0.tar.bz2", held.getvalue(), index)


def _path(name: str, content: bytes | PurePosixPath) -> dict[str, object]:
    if not isinstance(content, bytes):
        return {"_path": name, "path_type": "softlink"}
    told = {"_path": name, "path_type": "hardlink", "size_in_bytes": len(content)}
    told |= {"sha256": hashlib.sha256(content).hexdigest()}
    return told | ({"file_mode": "text", "prefix_placeholder": PLACEHOLDER} if PLACEHOLDER.encode() in content else {})


def python_of(base: str) -> CondaPackage:
    """The Python of an image of Debian's, as a package of conda's: it finds its library from where it lies."""
    container = docker("create", base)
    try:
        files = dict(_files_in(container, "/usr/lib/python3.11", "lib/python3.11"))
        [(_, program)] = _files_in(container, "/usr/bin/python3.11", "bin/python3.11")
    finally:
        docker("rm", container)
    links = {f"bin/{name}": PurePosixPath("python3.11") for name in ("python", "python3")}
    return CondaPackage(
        "python", "3.11.2", {**files, "bin/python3.11": program, **links}, executable=("bin/python3.11",)
    )


def _files_in(container: str, path: str, at: str) -> Iterator[tuple[str, bytes]]:
    copied = subprocess.run(["docker", "cp", f"{container}:{path}", "-"], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(copied)) as archive:
        for member in archive:
            inside = member.name.partition("/")[2]
            if member.isfile() and "__pycache__" not in member.name:
                content = archive.extractfile(member)
                assert content is not None
                yield (f"{at}/{inside}" if inside else at), content.read()


@contextmanager
def installer(base: str, scratch: Path) -> Iterator[None]:
    """See to it that the engine has micromamba's image: the real one where it can be pulled, else a stand-in.

    The stand-in is rattler, the library behind pixi, with the command line that the Dockerfile uses. It does not stay.
    """
    if docker("images", "--quiet", MICROMAMBA_IMAGE) or _pulled():
        yield
        return
    _make_stand_in(base, scratch)
    try:
        yield
    finally:
        docker("image", "rm", "--force", MICROMAMBA_IMAGE)


def _pulled() -> bool:
    pull = ["docker", "pull", "--quiet", MICROMAMBA_IMAGE]
    try:
        return subprocess.run(pull, capture_output=True, timeout=_PULL_SECONDS, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _make_stand_in(base: str, scratch: Path) -> None:
    found = find_spec("rattler")
    assert found is not None
    assert found.origin is not None
    (scratch / "micromamba").write_text(_STAND_IN)
    (scratch / "micromamba").chmod(0o755)
    (scratch / "Dockerfile").write_text(_DOCKERFILE.format(base=base))
    (scratch / "rattler").symlink_to(Path(found.origin).parent)
    context = subprocess.run(
        ["tar", "--create", "--dereference", "--directory", scratch, "."], capture_output=True, check=True
    ).stdout
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", MICROMAMBA_IMAGE, "-"],
        input=context,
        capture_output=True,
        check=True,
    )
