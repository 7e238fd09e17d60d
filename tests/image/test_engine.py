"""Engines that do not answer."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import pytest

from bentopack.errors import EngineError, NotFound
from bentopack.image.engine import Engine, connect


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


def test_a_context_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DOCKER_CONTEXT names the engine, as it does for the command that builds; one that is not there is told."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    name = hashlib.sha256(b"there").hexdigest()
    meta = tmp_path / "contexts/meta" / name / "meta.json"
    meta.parent.mkdir(parents=True)
    host = f"unix://{tmp_path}/there.sock"
    meta.write_text(json.dumps({"Name": "there", "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}))
    with pytest.raises(EngineError, match=f"no container engine answers at {host}"):
        connect({"DOCKER_CONTEXT": "there"})
    with pytest.raises(EngineError, match="DOCKER_CONTEXT names 'elsewhere'"):
        connect({"DOCKER_CONTEXT": "elsewhere"})


def test_an_engine_over_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it needs is named, where it is not there."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineError, match="an engine over ssh") as caught:
        connect({"DOCKER_HOST": "ssh://nobody@127.0.0.1:9"})
    assert "docker[ssh]" in str(caught.value.hint)


@pytest.mark.engine
def test_unknown_image(engine: Engine) -> None:
    """Asking for an image that the engine does not have is a NotFound."""
    with pytest.raises(NotFound, match="no image bentopack-test/none:0"):
        engine.inspect("bentopack-test/none:0")
