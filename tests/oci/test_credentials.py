"""Who we are to a registry."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from bentopack.oci.credentials import Login, find_login

AUTH = base64.b64encode(b"me:secret:with:colons").decode()


def config(folder: Path, **content: object) -> dict[str, str]:
    """An environment whose Docker configuration says this."""
    (folder / "config.json").write_text(json.dumps(content))
    return {"DOCKER_CONFIG": str(folder), "PATH": str(folder), "HOME": "/nowhere"}


@pytest.mark.parametrize(
    ("registry", "key"),
    [
        ("ghcr.io", "ghcr.io"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("ghcr.io", "https://ghcr.io"),
        ("registry-1.docker.io", "https://index.docker.io/v1/"),
    ],
)
def test_what_docker_login_wrote(tmp_path: Path, registry: str, key: str) -> None:
    """Under each of the spellings that there are."""
    environ = config(tmp_path, auths={key: {"auth": AUTH}})
    assert find_login(registry, environ) == Login("me", "secret:with:colons")
    assert find_login("elsewhere.io", environ) is None


def test_a_token_of_an_identity(tmp_path: Path) -> None:
    """It has no user's name: it is exchanged."""
    environ = config(tmp_path, auths={"ghcr.io": {"auth": AUTH, "identitytoken": "t0ken"}})
    assert find_login("ghcr.io", environ) == Login("", "t0ken")


def test_a_helper_is_asked(tmp_path: Path) -> None:
    """One of the registry's own, else the one of all; what fails is as if there were none."""
    helper = tmp_path / "docker-credential-own"
    helper.write_text('#!/bin/sh\nread host\nprintf \'{"Username":"%s","Secret":"x"}\' "$host"\n')
    helper.chmod(0o755)
    environ = config(tmp_path, credHelpers={"ghcr.io": "own"}, credsStore="gone")
    assert find_login("ghcr.io", environ) == Login("ghcr.io", "x")
    assert find_login("quay.io", environ) is None
    assert find_login("quay.io", config(tmp_path, credsStore="own")) == Login("quay.io", "x")
    assert find_login("quay.io", config(tmp_path, credHelpers={"quay.io": "../own"})) is None


def test_what_podman_login_wrote(tmp_path: Path) -> None:
    """Its file is read where Docker's says nothing; one that is broken says nothing."""
    (tmp_path / "config.json").write_text("{")
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"auths": {"quay.io": {"auth": AUTH}}}))
    environ = {"DOCKER_CONFIG": str(tmp_path), "REGISTRY_AUTH_FILE": str(auth)}
    assert find_login("quay.io", environ) == Login("me", "secret:with:colons")


def test_what_podman_login_wrote_for_a_part_of_a_registry(tmp_path: Path) -> None:
    """The nearest to the repository counts, and none is for what lies beside."""
    auths = {
        key: {"auth": base64.b64encode(f"{user}:secret".encode()).decode()}
        for key, user in (("quay.io", "all"), ("quay.io/team", "team"), ("quay.io/team/iris", "iris"))
    }
    auths["docker.io/team"] = auths["quay.io/team"]
    environ = config(tmp_path, auths=auths)

    def user(registry: str, repository: str) -> str | None:
        found = find_login(registry, environ, repository)
        return found.user if found else None

    assert user("quay.io", "team/iris") == "iris"
    assert user("quay.io", "team/iris/cache") == "iris"
    assert user("quay.io", "team/other") == "team"
    assert user("quay.io", "teams/other") == user("quay.io", "") == "all"
    assert (user("registry-1.docker.io", "team/x"), user("registry-1.docker.io", "x/y")) == ("team", None)


@pytest.mark.parametrize("auth", ["\u00e9", "not base64", "bm9jb2xvbg==", "/w=="])
def test_a_login_that_cannot_be_read(tmp_path: Path, auth: str) -> None:
    """It is as if there were none."""
    assert find_login("ghcr.io", config(tmp_path, auths={"ghcr.io": {"auth": auth}})) is None
    assert find_login("ghcr.io", config(tmp_path, auths=[], credHelpers="x")) is None


def test_a_password_is_not_shown() -> None:
    """Whoever prints a login prints no password."""
    assert "secret" not in repr(Login("me", "secret"))
