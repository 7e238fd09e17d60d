"""Who we are to a registry, as ``docker login`` and ``podman login`` keep it: config.json and credential helpers."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SECONDS = 30
_HUB = ("https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True)
class Login:
    """A user's name and password; or, where ``user`` is empty, a token to be exchanged for others."""

    user: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of an ``Authorization`` header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def find_login(registry: str, environ: Mapping[str, str], repository: str = "") -> Login | None:
    """Look a registry up where Docker and podman look, in that order; a file that cannot be read has nothing.

    Args:
        registry: a host, perhaps with a port.
        environ: says where those files are.
        repository: what is asked for there; ``podman login`` knows logins for a part of a registry too.
    """
    for path in _files(environ):
        try:
            config = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(config, dict) and (login := _in(config, registry, environ, repository)):
            return login
    return None


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    home = environ.get("HOME")
    if named := environ.get("DOCKER_CONFIG"):
        yield Path(named, "config.json")
    elif home:
        yield Path(home, ".docker", "config.json")
    if named := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if named := environ.get("XDG_RUNTIME_DIR"):
        yield Path(named, "containers", "auth.json")


def _in(config: dict[str, Any], registry: str, environ: Mapping[str, str], repository: str) -> Login | None:
    names = [registry, f"https://{registry}", f"https://{registry}/", *(_HUB if registry in _HUB else ())]
    helpers, auths = (found if isinstance(found := config.get(key), dict) else {} for key in ("credHelpers", "auths"))
    for name in names:
        if name in helpers:
            return _ask_helper(str(helpers[name]), name, environ)
    for name in (*_parts(registry, repository), *names):
        entry = auths.get(name)
        if isinstance(entry, dict) and (login := _entry(entry)):
            return login
    store = config.get("credsStore")
    if not store:
        return None
    return next((login for name in names if (login := _ask_helper(str(store), name, environ))), None)


def _parts(registry: str, repository: str) -> Iterator[str]:
    """The repository and the namespaces above it, the nearest first: ``quay.io/team/iris``, ``quay.io/team``."""
    host, path = _HUB[1] if registry in _HUB else registry, repository
    while path:
        yield f"{host}/{path}"
        path = path.rpartition("/")[0]


def _entry(entry: dict[str, Any]) -> Login | None:
    if token := entry.get("identitytoken"):
        return Login("", str(token))
    try:
        user, colon, password = base64.b64decode(str(entry.get("auth", ""))).decode().partition(":")
    except ValueError:  # it is no base64, or no text
        return None
    return Login(user, password.rstrip("\0")) if colon else None


def _ask_helper(helper: str, name: str, environ: Mapping[str, str]) -> Login | None:
    """Ask a ``docker-credential-…`` program: https://github.com/docker/docker-credential-helpers."""
    if "/" in helper:
        return None
    try:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=name,
            env={**environ},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
        told = json.loads(done.stdout)
        user, secret = str(told["Username"]), str(told["Secret"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    return Login("" if user == "<token>" else user, secret)
