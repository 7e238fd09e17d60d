"""Looks into a base image of the user's own: what it has decides what has to be brought."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping

from bentopack.image.builder import Builder
from bentopack.image.plan import BaseFacts
from bentopack.image.table import PackageManager

# A base that is not here yet is pulled first.
_SECONDS = 1800
_MANAGERS: Mapping[str, PackageManager] = {"apt-get": "apt", "apk": "apk", "microdnf": "microdnf"}
# By a shell, which every image has that packages can be installed in. A Python without venv and pip is no help.
_QUESTIONS = """
for each in apt-get apk microdnf; do if command -v $each >/dev/null; then echo "manager $each"; break; fi; done
python3 -c 'import sys, venv, ensurepip; print("python %d.%d" % sys.version_info[:2], ensurepip.version())'
if [ -n "$PIP_INDEX_URL$PIP_CONFIG_FILE" ]; then echo index; fi
for each in /etc/pip.conf /root/.config/pip/pip.conf /root/.pip/pip.conf; do if [ -e $each ]; then echo index; fi; done
if [ -r /etc/os-release ]; then . /etc/os-release; echo "release $ID$VERSION_ID"; fi
getconf GNU_LIBC_VERSION || ldd --version
"""


def look_into(builder: Builder, image: str, platform: str, environ: Mapping[str, str]) -> BaseFacts | None:
    """Run a base image and look what it has; None where that cannot be done here, and the build has to tell.

    The container has no network, and nothing of it stays.
    """
    if not builder.runs:
        return None
    options = ["--rm", "--network", "none", "--platform", platform, "--user", "0", "--entrypoint", "/bin/sh"]
    command = [builder.command, "run", *options, image, "-c", _QUESTIONS]
    try:
        done = subprocess.run(command, env={**environ}, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return read_answers(done.stdout) if done.returncode in (0, 1, 127) and done.stdout else None


def read_answers(text: str) -> BaseFacts:
    """Read what the questions were answered."""
    manager = re.search(r"^manager (\S+)$", text, re.MULTILINE)
    python = re.search(r"^python (\d+\.\d+) (\d+)\.(\d+)", text, re.MULTILINE)
    release = re.search(r"^release (\S+)$", text, re.MULTILINE)
    glibc = re.search(r"(?:^glibc |GLIBC |GNU libc\) )(\d+)\.(\d+)", text, re.MULTILINE)
    new_enough = python and (int(python[2]), int(python[3])) >= (22, 3)
    return BaseFacts(
        python=python[1] if python and new_enough else None,
        glibc=(int(glibc[1]), int(glibc[2])) if glibc else None,
        package_manager=_MANAGERS.get(manager[1]) if manager else None,
        names_index=re.search(r"^index$", text, re.MULTILINE) is not None,
        release=release[1] if release else None,
    )
