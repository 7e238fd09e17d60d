"""Engines that do not answer."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bentopack.errors import EngineError, NotFound
from bentopack.image.engine import Engine, _why_no_digest, connect


def test_dead_socket(tmp_path: Path) -> None:
    """Where nothing listens the message names the address that was tried and how to get an engine."""
    with pytest.raises(EngineError, match=f"no container engine answers at unix://{tmp_path}/none") as caught:
        connect({"DOCKER_HOST": f"unix://{tmp_path}/none"})
    assert "apt-get install docker.io" in str(caught.value.hint)


def test_no_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that refuses this user gets the group's name, not an HTTP library's words."""

    # Root may open any socket, so the refusal itself is made here.
    def refuse(_: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied", address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(EngineError, match="no rights on the container engine") as caught:
        connect({"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"})
    assert "usermod -aG docker" in str(caught.value.hint)


def test_nonsense_address() -> None:
    """An address that is none is told as an engine that does not answer."""
    with pytest.raises(EngineError, match="no container engine answers at nonsense://x"):
        connect({"DOCKER_HOST": "nonsense://x"})


@pytest.mark.engine
def test_unknown_image(engine: Engine) -> None:
    """Asking for an image that the engine does not have is a NotFound."""
    with pytest.raises(NotFound, match="no image bentopack-test/none:0"):
        engine.inspect("bentopack-test/none:0")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            'Get "https://registry.example/v2/": dial tcp: lookup registry.example on 10.0.0.53:53: no such host',
            "the registry registry.example cannot be reached",
        ),
        ("manifest unknown: manifest unknown", "its registry does not have it"),
        ("pull access denied, repository does not exist", "its registry refuses this user; log in with `docker login`"),
    ],
)
def test_a_missing_digest_is_told_without_this_machines_network(said: str, why: str) -> None:
    """The reason stands in a lock that is committed: it names the registry, and no address of this network."""
    assert _why_no_digest(said) == why
