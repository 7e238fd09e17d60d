"""The command line of ``containerize``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bentopack.image.images import EngineImages
from bentopack.spec.manifest import Manifest
from tests.command import COMMAND

from .conftest import LOCKS, Make

Write = Callable[[Manifest], Path]


def bentopack(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    command = [sys.executable, "-c", "from bentopack.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_only_render(manifest: Make, bento: Write) -> None:
    """``--dockerfile -`` writes the Dockerfile that the Bento itself carries, without an engine."""
    done = bentopack("containerize", bento(manifest()), "--dockerfile", "-", DOCKER_HOST="unix:///nowhere")
    assert done.returncode == 0, done.stderr
    assert done.stdout == EngineImages({}).dockerfiles(manifest(), LOCKS)["env/docker/Dockerfile"].decode()


def test_a_folder_is_proved(manifest: Make, bento: Write) -> None:
    """Nothing is made of a Bento's folder that was changed."""
    folder = bento(manifest())
    (folder / "added").touch()
    done = bentopack("containerize", folder, "--dockerfile", "-")
    assert (done.returncode, done.stdout) == (9, "")
    assert "added: added" in done.stderr


def test_only_render_with_a_secret(manifest: Make, bento: Write, tmp_path: Path) -> None:
    """A secret needs BuildKit's mounts, so the rendering with one has them."""
    (tmp_path / "netrc").write_text("x")
    secret = f"id=netrc,src={tmp_path}/netrc"
    done = bentopack("containerize", bento(manifest()), "--secret", secret, "--dockerfile", "-")
    assert "--mount=type=secret,id=netrc,required=true" in done.stdout, done.stderr


def test_render_to_a_file(manifest: Make, bento: Write, tmp_path: Path) -> None:
    """``--dockerfile PATH`` writes it there, and says where."""
    path = tmp_path / "out.Dockerfile"
    done = bentopack("containerize", bento(manifest()), "--gpu", "--dockerfile", path)
    assert (done.stdout, done.returncode) == (f"{path}\n", 0)
    assert "nvidia/cuda:12.4.1" in path.read_text()


def test_no_engine(manifest: Make, bento: Write) -> None:
    """Without an engine there is one message, a hint, the documented exit code, and no traceback."""
    done = bentopack("containerize", bento(manifest()), DOCKER_HOST="unix:///nowhere")
    assert done.returncode == 6
    assert "no container engine answers at unix:///nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_gpu_variant(manifest: Make, bento: Write) -> None:
    """``--gpu`` on a Bento without that variant says what to add."""
    one = manifest(variants={"cpu": manifest().variants["cpu"]})
    done = bentopack("containerize", bento(one), "--gpu", "--dockerfile", "-")
    assert done.returncode == 3
    assert "cuda_version" in done.stderr


class Engine(BaseHTTPRequestHandler):
    """An engine that only says its version."""

    def do_GET(self) -> None:
        body = b'{"Version": "20.10.24", "ApiVersion": "1.41"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of an engine whose builds never end; the client's id is in the file ``pid``."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tmp").mkdir()
    docker = tmp_path / "bin/docker"
    version = '[ "$1" = --version ] && echo "Docker version 20.10.24, build 0" && exit 0; [ "$1" = buildx ] && exit 1'
    docker.write_text(
        f"#!/bin/sh\n{version}\necho $$ > {tmp_path}/new && mv {tmp_path}/new {tmp_path}/pid\nexec sleep 60\n"
    )
    docker.chmod(0o755)
    with ThreadingHTTPServer(("127.0.0.1", 0), Engine) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {
            "DOCKER_HOST": f"tcp://127.0.0.1:{server.server_port}",
            "PATH": f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(tmp_path / "tmp"),
        }
        server.shutdown()


def test_an_engine_that_takes_no_zstd(manifest: Make, bento: Write, endless: dict[str, str]) -> None:
    """It is refused before anything is compiled, with where else the image may go."""
    options = ("--backend", "oci", "--compression", "zstd")
    done = bentopack("containerize", bento(manifest()), *options, **endless)
    assert done.returncode == 2
    assert "the engine 20.10.24 takes no zstd layers" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_cancelled(
    manifest: Make, bento: Write, tmp_path: Path, endless: dict[str, str], number: signal.Signals, code: int
) -> None:
    """A cancelled CI job leaves no build behind, and no temporary folder."""
    command = [*COMMAND, "containerize", str(bento(manifest()))]
    with subprocess.Popen(command, env={**os.environ, **endless}, stderr=subprocess.PIPE, text=True) as process:
        pid = tmp_path / "pid"
        until = time.monotonic() + 30
        while not pid.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in said) == (code, False), said
    assert list((tmp_path / "tmp").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.engine
def test_json(manifest: Make, bento: Write, base_image: str) -> None:
    """``--output json`` gives scripts the image, its id and the Bento that it was made from."""
    tag = f"bentopack-test/containerize:{os.getpid()}"
    done = bentopack(
        "containerize", bento(manifest()), "-t", tag, "-t", f"{tag}-too", "--base-image", base_image, "-o", "json"
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said) == {"image", "tags", "id", "digest", "bento", "bento_digest", "size", "pushed"}
    assert said["tags"] == [tag, f"{tag}-too"]
    label = '{{index .Config.Labels "io.bentopack.bento.digest"}}'
    inspected = subprocess.run(
        ["docker", "image", "inspect", "--format", label, tag], capture_output=True, text=True, check=True
    )
    assert inspected.stdout.strip() == said["bento_digest"]
    subprocess.run(["docker", "image", "rm", tag, f"{tag}-too"], capture_output=True, check=True)
