"""Gives the tests and the demo a Python base image: a public one where it can be pulled, else one made here.

    python tests/base_image.py            # makes it, tells how on standard error
    python tests/base_image.py --print    # prints the image's name on standard output

``BENTOPACK_TEST_BASE_IMAGE`` names another one, which is then used as it is. Making one needs root and mmdebstrap
(Debian, Ubuntu: ``apt-get install mmdebstrap``). It gets the certificate authorities that this host's owner added in
/usr/local/share/ca-certificates, so that it can reach the network that this host is in. Only an image made here does.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PUBLIC = "python:3.11-slim-bookworm"
LOCAL = "bentopack-base:py3.11-bookworm"
_PULL_SECONDS = 120
_AUTHORITIES = Path("/usr/local/share/ca-certificates")


def base_image() -> str:
    """Return the name of an image that the engine has, pulling or making it first.

    Raises:
        SystemExit: it can neither be pulled nor made; the message says what is missing.
    """
    if chosen := os.environ.get("BENTOPACK_TEST_BASE_IMAGE"):
        return chosen
    # Test processes run side by side: one makes it, the others find it made.
    if not _answers(["docker", "version"]):
        sys.exit("no base image: no docker command on PATH, or no engine that answers it")
    lock = Path(tempfile.gettempdir(), f"bentopack-base-image-{os.getuid()}.lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for image in (PUBLIC, LOCAL):
            if _exists(image):
                return image
        if _pull():
            return PUBLIC
        _make()
        return LOCAL


def _exists(image: str) -> bool:
    return _answers(["docker", "image", "inspect", image])


def _answers(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _pull() -> bool:
    _say(f"pulling {PUBLIC}")
    try:
        # A registry that cannot be reached may take minutes to say so.
        done = subprocess.run(
            ["docker", "pull", "--quiet", PUBLIC], capture_output=True, timeout=_PULL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _make() -> None:
    if shutil.which("mmdebstrap") is None or os.getuid() != 0:
        sys.exit(
            f"no base image: {PUBLIC} cannot be pulled, and making one here needs root and mmdebstrap (Debian has it)"
        )
    _say(f"it cannot be pulled: making {LOCAL} with mmdebstrap")
    with tempfile.TemporaryDirectory(prefix="bentopack-base-") as scratch:
        root = Path(scratch, "root.tar")
        include = f"--include={_PACKAGES}"
        _do(["mmdebstrap", "--quiet", "--variant=minbase", *_trust(), include, "bookworm", str(root)])
        _do(["docker", "import", *_CONFIGURATION, str(root), LOCAL])


def _do(command: list[str]) -> None:
    code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    if code != 0:
        sys.exit(f"no base image: {PUBLIC} cannot be pulled, and {command[0]} failed with exit code {code}, see above")


_PACKAGES = "python3,python3-venv,ca-certificates"
_CONFIGURATION = [
    "--change=ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    # pip trusts a bundle of its own unless it is told; what runs on this base is to trust what this base trusts.
    "--change=ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt",
    '--change=CMD ["python3"]',
]


def _trust() -> list[str]:
    """The options that copy this host's own authorities into the new root."""
    if not any(_AUTHORITIES.glob("*.crt")):
        return []
    return [
        f"--customize-hook=copy-in {_AUTHORITIES} {_AUTHORITIES.parent}",
        '--customize-hook=chroot "$1" update-ca-certificates',
    ]


def _say(message: str) -> None:
    sys.stderr.write(f"base image: {message}\n")


if __name__ == "__main__":
    name = base_image()
    if "--print" in sys.argv[1:]:
        sys.stdout.write(f"{name}\n")
    else:
        _say(name)
