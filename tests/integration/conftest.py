"""A Bento to compare with; and images, run as a careful operator would."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bentopack.image.engine import Engine
from bentopack.oci.blobs import Blobs
from bentopack.oci.image import Index
from bentopack.oci.layout import write_index_layout
from tests.integration.bases import idle_base
from tests.integration.bentos import build
from tests.integration.serving import free_port

# Any uid of group 0, no capability, nothing writable but a temporary folder: what strict clusters allow.
_LOCKED_DOWN = ("--read-only", "--tmpfs", "/tmp", "--user", "12345:0", "--cap-drop", "ALL")
_READY_SECONDS = 60.0


@dataclass(frozen=True)
class Container:
    """A running container. ``url`` is where this host reaches its server."""

    id: str
    url: str

    def logs(self) -> str:
        done = subprocess.run(["docker", "logs", self.id], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def stop(self) -> int:
        """Stop it as an orchestrator does (SIGTERM, then time to drain); return its exit code."""
        docker("stop", "--time", "20", self.id)
        return int(docker("wait", self.id))


@pytest.fixture(scope="session")
def reference(locked_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The echo project's Bento, to compare with."""
    return build(locked_project, tmp_path_factory.mktemp("reference"))


RunImage = Callable[[str], AbstractContextManager[Container]]


@pytest.fixture
def run_image(engine: Engine) -> RunImage:
    """Run an image, locked down, until the block ends: ``with run_image(tag) as container``; it is ready then."""
    return _running


@contextlib.contextmanager
def _running(image: str) -> Iterator[Container]:
    id_ = docker("run", "--detach", "--publish", "127.0.0.1::3000", *_LOCKED_DOWN, image)
    try:
        port = docker("inspect", "--format", '{{(index (index .NetworkSettings.Ports "3000/tcp") 0).HostPort}}', id_)
        container = Container(id_, f"http://127.0.0.1:{port}")
        _wait_until_ready(container)
        yield container
    finally:
        docker("rm", "--force", "--volumes", id_)


def docker(*arguments: str) -> str:
    """Run a docker command and return what it prints."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def _wait_until_ready(container: Container) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{container.url}/readyz", timeout=5):
            return
        time.sleep(0.2)
    pytest.fail(f"the container is not ready after {_READY_SECONDS:.0f} s:\n{container.logs()}", pytrace=False)


CONFIGURATION = """\
version: 0.1
storage: {filesystem: {rootdirectory: ROOT}}
http:
  addr: "127.0.0.1:PORT"
MORE
"""


@pytest.fixture(scope="session")
def made_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layers that other tests made: packages are the same in all of them."""
    return tmp_path_factory.mktemp("oci")


@pytest.fixture
def shared_layers(made_before: Path, home: Path) -> None:
    """Each test has a store of its own, and the layers of all."""
    (home / "cache").mkdir(parents=True, exist_ok=True)
    (home / "cache" / "oci").symlink_to(made_before)


@pytest.fixture
def without_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine, and nobody is logged in anywhere."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def bases(tmp_path: Path) -> Path:
    """A base of two platforms that nobody runs, as a layout."""
    images = tuple(idle_base(Blobs(tmp_path / "blobs"), each) for each in ("linux/amd64", "linux/arm64"))
    write_index_layout(Index(images), tmp_path / "bases", ["base:1"])
    return tmp_path / "bases"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Go to another machine: one with an empty store."""
    return lambda: monkeypatch.setenv("BENTOPACK_HOME", str(tmp_path / "elsewhere"))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry on this machine, of Debian's package docker-registry; gives its address."""
    with serving_registry(tmp_path) as address:
        yield address


@contextlib.contextmanager
def serving_registry(folder: Path, more: str = "", *, scheme: str = "http", log: Path | None = None) -> Iterator[str]:
    """Run a registry until the block ends; ``more`` is added to its configuration."""
    if shutil.which("docker-registry") is None:
        if os.environ.get("BENTOPACK_TEST_REQUIRE_ENGINE") == "1":
            pytest.fail("docker-registry is missing: apt-get install docker-registry")
        pytest.skip("docker-registry is missing")
    port = free_port()
    configuration = folder / "registry.yml"
    text = CONFIGURATION.replace("ROOT", str(folder / "registry")).replace("PORT", str(port))
    configuration.write_text(text.replace("MORE", more))
    with (log or Path(os.devnull)).open("wb") as output:
        process = subprocess.Popen(["docker-registry", "serve", configuration], stdout=output, stderr=output)
    try:
        address = f"127.0.0.1:{port}"
        for _ in range(100):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{scheme}://{address}/v2/", verify=False)  # noqa: S501 - only whether somebody answers
                break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(10)
