"""Images made without an engine, in the hands of all who take images."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from bentopack.oci.blobs import Blobs
from bentopack.oci.layout import write_archive
from tests.command import COMMAND, bentopack, done, fails
from tests.conftest import missing
from tests.integration.bases import idle_base
from tests.integration.bentos import AS_NOBODY, NOBODY
from tests.integration.conftest import RunImage, docker, serving_registry
from tests.integration.serving import Call, ask, free_port, wait_ready
from tests.integration.test_same_bytes import FAKETIME

pytestmark = pytest.mark.usefixtures("shared_layers")
CALL = Call("/echo", b'{"text": "hi"}')
# What bcrypt makes of "secret".
HTPASSWD = "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


@pytest.fixture(scope="session")
def real_base(base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base, as docker save gives it."""
    path = tmp_path_factory.mktemp("base") / "base.tar"
    docker("save", "--output", str(path), base_image)
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base that nobody runs, as an archive."""
    path = tmp_path / "base.tar"
    with path.open("wb") as file:
        write_archive(idle_base(Blobs(tmp_path / "blobs"), "linux/amd64"), file, ["base:1"])
    return path


@pytest.fixture
def without_engine(real_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine answers any more, once the base is there."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")


def facts_of(project: Path, *arguments: str | Path) -> dict[str, Any]:
    """Compile the image of a project, and return what is told of it."""
    told = done("containerize", "--backend", "oci", "-o", "json", *map(str, arguments), cwd=project)
    return dict(json.loads(told))


@pytest.fixture
def image(project: Path, base_image: str) -> Iterator[str]:
    """The image of the echo project, in the local engine."""
    name = f"bentopack-test/oci:{os.getpid()}"
    facts_of(project, "-t", name, "--base-image", base_image)
    yield name
    docker("image", "rm", "--force", name)


@pytest.mark.engine
def test_it_answers_as_the_one_that_was_built(image: str, project: Path, base_image: str, run_image: RunImage) -> None:
    """Any uid, read-only, no capability: the same answers, settings and health check as the docker backend's."""
    built = f"bentopack-test/built:{os.getpid()}"
    done("containerize", "--backend", "docker", "-t", built, "--base-image", base_image, cwd=project)
    try:
        compiled, other = (json.loads(docker("image", "inspect", each))[0]["Config"] for each in (image, built))
        for key in ("User", "Entrypoint", "WorkingDir", "ExposedPorts", "StopSignal", "Healthcheck", "Labels", "Cmd"):
            assert compiled[key] == other[key], key
        assert sorted(compiled["Env"]) == sorted(other["Env"])
        with run_image(image) as here, run_image(built) as there:
            assert ask(here.url, [CALL])[0].body == ask(there.url, [CALL])[0].body
            docker("exec", here.id, "/opt/venv/bin/python", "-m", "bentopack.serve.healthcheck")
            assert here.stop() == 0, here.logs()
    finally:
        docker("image", "rm", "--force", built)


@pytest.mark.engine
def test_an_edit_loads_one_layer(image: str, project: Path, base_image: str) -> None:
    """The engine has the other layers: it is sent no more than the new one."""
    before = json.loads(docker("image", "inspect", image))[0]["RootFS"]["Layers"]
    service = project / "service.py"
    service.write_text(service.read_text() + "# edited\n")
    facts_of(project, "-t", image, "--base-image", base_image)
    after = json.loads(docker("image", "inspect", image))[0]["RootFS"]["Layers"]
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


@pytest.fixture
def of_nobody(project: Path, base: Path) -> Iterator[Path]:
    """A folder of another user's, where that can be, with the base and a copy of the project at another depth."""
    folder = Path(f"/tmp/bentopack-test-{os.getpid()}")  # tmp_path is this user's own
    try:
        shutil.copytree(project, folder / "somewhere else" / "project")
        shutil.copyfile(base, folder / "base.tar")
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, *([NOBODY, NOBODY] if os.getuid() == 0 else [os.getuid()]))
        yield folder
    finally:
        shutil.rmtree(folder)


def test_the_same_bytes_whoever_makes_them(project: Path, base: Path, tmp_path: Path, of_nobody: Path) -> None:
    """Another user, folder, cache, clock, day, time zone, locale and umask give the same manifest."""
    first = facts_of(project, "--base-from", base, "--layout", tmp_path / "one")
    library = next((path for path in FAKETIME if path.exists()), None)
    if library is None:
        missing("there is no libfaketime")
    environment = {
        "HOME": str(of_nobody),
        "BENTOPACK_HOME": str(of_nobody / "home"),
        "UV_CACHE_DIR": str(of_nobody / "uv"),
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C",
        "FAKETIME": "+400d",
        "PYTHONHASHSEED": "7",
    }
    # What the library shares between processes belongs to the user who begins.
    before = [*(AS_NOBODY if os.getuid() == 0 else ()), "env", f"LD_PRELOAD={library}"]
    arguments = ["--backend", "oci", "-o", "json", "--base-from", str(of_nobody / "base.tar"), "--archive", "x.tar"]
    other = subprocess.run(
        [*before, *COMMAND, "containerize", *arguments],
        cwd=of_nobody / "somewhere else" / "project",
        env={**os.environ, **environment},
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
    )
    assert other.returncode == 0, other.stderr
    assert json.loads(other.stdout)["digest"] == first["digest"]


@pytest.mark.engine
@pytest.mark.usefixtures("without_engine")
def test_an_archive_for_everybody(project: Path, base: Path, tmp_path: Path) -> None:
    """Docker, podman and skopeo read it; skopeo copies the layout without a change."""
    name, archive, layout = f"localhost/bentopack-test/archive:{os.getpid()}", tmp_path / "a.tar", tmp_path / "layout"
    facts = facts_of(project, "-t", name, "--base-from", base, "--archive", archive, "--layout", layout)
    environment = {key: value for key, value in os.environ.items() if key != "DOCKER_HOST"}
    for loader in ("docker", "podman"):
        if shutil.which(loader) is None:
            missing(f"there is no {loader}")
        loaded = subprocess.run(
            [loader, "load", "--input", archive], capture_output=True, text=True, check=False, env=environment
        )
        assert loaded.returncode == 0, loaded.stderr
        try:
            asked = [loader, "image", "inspect", "--format", "{{.Id}}", name]
            found = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment).stdout.strip()
            assert found.removeprefix("sha256:") == facts["id"].removeprefix("sha256:")
        finally:
            subprocess.run([loader, "image", "rm", "--force", name], capture_output=True, check=False, env=environment)
    copied = tmp_path / "copied"
    tag = name.rpartition(":")[2]
    if shutil.which("skopeo") is None:
        missing("there is no skopeo on PATH (Debian: apt-get install skopeo)")
    subprocess.run(
        ["skopeo", "copy", "--preserve-digests", f"oci:{layout}:{tag}", f"oci:{copied}:{tag}"],
        check=True,
        capture_output=True,
    )
    assert facts["digest"] in (copied / "index.json").read_text()


def test_an_archive_of_zstd_layers(project: Path, base: Path, tmp_path: Path, home: Path) -> None:
    """Podman reads each file in it; it is smaller than gzip's, and the same whoever makes it."""
    if shutil.which("podman") is None:
        missing("there is no podman")
    name, archive = f"localhost/bentopack-test/zstd:{os.getpid()}", tmp_path / "a.tar"
    plain = facts_of(project, "--base-from", base, "--layout", tmp_path / "layout")
    arguments = ("-t", name, "--base-from", base, "--compression", "zstd")
    facts = facts_of(project, *arguments, "--archive", archive)
    assert facts["size"] < plain["size"]
    shutil.rmtree(home / "cache/oci/notes")
    assert facts_of(project, *arguments, "--layout", tmp_path / "other")["digest"] == facts["digest"]
    try:
        subprocess.run(["podman", "load", "--input", archive], capture_output=True, check=True)
        mounted = subprocess.run(["podman", "image", "mount", name], capture_output=True, text=True, check=True)
        there = Path(mounted.stdout.strip(), "bento/src/service.py")
        assert there.read_bytes() == (project / "service.py").read_bytes()
    finally:
        subprocess.run(["podman", "image", "umount", name], capture_output=True, check=False)
        subprocess.run(["podman", "image", "rm", "--force", name], capture_output=True, check=False)


@pytest.mark.engine
@pytest.mark.usefixtures("without_engine")
def test_unpacked_and_run_without_an_engine(project: Path, real_base: Path, tmp_path: Path) -> None:
    """umoci unpacks it and runc runs it, read-only: it answers and ends as asked, and no engine ever saw it."""
    for tool in ("umoci", "runc"):
        if shutil.which(tool) is None:
            missing(f"there is no {tool} on PATH (Debian: apt-get install {tool})")
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"
    facts_of(project, "-t", "echo:1", "--base-from", real_base, "--layout", layout)
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:1", bundle], check=True, capture_output=True)
    root = bundle / "rootfs"
    strange = [
        path for path in (root / "opt/venv", root / "bento") if path.stat().st_uid or path.stat().st_mode & 0o022
    ]
    assert strange == []
    port = free_port()
    on_this_network(bundle / "config.json", port)
    runc, name = ["runc", "--root", str(tmp_path / "runc")], f"bentopack-test-{os.getpid()}"
    process = subprocess.Popen([*runc, "run", "--bundle", str(bundle), name])
    try:
        wait_ready(port, process)
        [answer] = ask(f"http://127.0.0.1:{port}", [CALL])
        assert (answer.status, answer.body) == (200, b"hi")
        process.terminate()
        assert process.wait(30) == 0
    finally:
        subprocess.run([*runc, "delete", "--force", name], capture_output=True, check=False)
        process.wait(30)


def on_this_network(config: Path, port: int) -> None:
    """Let a bundle's container use this machine's network and a port of it, and write to nothing but ``/tmp``."""
    told = json.loads(config.read_text())
    told["process"]["terminal"] = False
    told["process"]["args"] += ["--host", "127.0.0.1", "--port", str(port)]
    told["root"]["readonly"] = True
    told["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
    told["linux"]["namespaces"] = [each for each in told["linux"]["namespaces"] if each["type"] != "network"]
    config.write_text(json.dumps(told))


@dataclass(frozen=True)
class Guard:
    """How a registry is guarded: its configuration, what reaches it, and what is said to who may not enter."""

    more: str = ""
    scheme: str = "http"
    options: tuple[str, ...] = ()
    refusal: str | None = None


def guarded(kind: str, folder: Path) -> Guard:
    """Make what a registry is guarded with: nothing, a password, or a certificate of a company's own."""
    if kind == "password":
        (folder / "htpasswd").write_text(HTPASSWD)
        return Guard(f"auth: {{htpasswd: {{realm: here, path: {folder / 'htpasswd'}}}}}", refusal="docker login")
    if kind == "tls":
        authority, pem = trustme.CA(), folder / "server.pem"
        authority.cert_pem.write_to_path(folder / "ca.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
        more = f"  tls: {{certificate: {pem}, key: {pem}}}"
        return Guard(more, "https", ("--ca-bundle", str(folder / "ca.pem")), "certificate")
    return Guard()


@pytest.mark.engine
@pytest.mark.parametrize("kind", ["plain", "password", "tls"])
def test_pushed_to_a_registry(
    kind: str, project: Path, real_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_image: RunImage
) -> None:
    """Guarded or not: an edit asks once for each blob and sends one small layer; the engine pulls it and runs it."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    guard, log = guarded(kind, tmp_path), tmp_path / "registry.log"
    with serving_registry(tmp_path, guard.more, scheme=guard.scheme, log=log) as registry:
        name = f"{registry}/team/echo:1"
        goal = ("-t", name, "--base-from", str(real_base), "--push")
        with monkeypatch.context() as without_engine:
            without_engine.setenv("DOCKER_HOST", "unix:///nowhere")
            if guard.refusal:
                fails(bentopack("containerize", "--backend", "oci", *goal, cwd=project), 10, guard.refusal)
            log_in(tmp_path / "docker", registry)
            first = facts_of(project, *goal, *guard.options)
            service = project / "service.py"
            service.write_text(service.read_text() + "# edited\n")
            log.write_text("")
            second = facts_of(project, *goal, *guard.options)
        said = log.read_text(errors="replace")
        assert first["pushed"] == {name: first["digest"]}
        assert second["digest"] != first["digest"]
        assert 0 < second["sent"] < 100_000
        assert first["sent"] > 1_000_000
        # The configuration, the source, and the statement of the image.
        assert len(re.findall(r'"POST /v2/team/echo/blobs/uploads/ ', said)) == 3
        asked = re.findall(r'"HEAD /v2/team/echo/blobs/(\S+) HTTP/1.1" (?:200|404)', said)
        layers = json.loads(skopeo(tmp_path, "inspect", "--raw", f"docker://{name}"))["layers"]
        assert len(asked) == len(set(asked)) >= len(layers)
        assert {each["digest"] for each in layers} < set(asked)
        try:
            docker("pull", name)
            with run_image(name) as container:
                assert ask(container.url, [CALL])[0].body == b"hi"
        finally:
            subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)


def skopeo(folder: Path, *arguments: str) -> str:
    """Ask skopeo, with the login of a test, and no more of TLS than the engine asks of this machine's registries."""
    if shutil.which("skopeo") is None:
        missing("there is no skopeo on PATH (Debian: apt-get install skopeo)")
    trust = ["--tls-verify=false", "--authfile", str(folder / "docker" / "config.json")]
    done = subprocess.run(["skopeo", arguments[0], *trust, *arguments[1:]], capture_output=True, text=True, check=True)
    return done.stdout


def log_in(folder: Path, registry: str) -> None:
    folder.mkdir()
    auth = base64.b64encode(b"me:secret").decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry: {"auth": auth}}}))


@pytest.mark.engine
def test_a_base_in_a_registry(project: Path, base_image: str, tmp_path: Path, run_image: RunImage) -> None:
    """Pinned by its digest, it is asked for once; its layers are mounted and never fetched; the engine runs it."""
    log = tmp_path / "registry.log"
    with serving_registry(tmp_path, log=log) as registry:
        base, name = f"{registry}/python:3.11", f"{registry}/team/echo:1"
        try:
            docker("tag", base_image, base)
            docker("push", base)
            bentofile = project / "bentofile.yaml"
            # Which Python it has is said by the official images; a base of one's own is looked into.
            bentofile.write_text(bentofile.read_text() + f"docker: {{base_image: '{base}'}}\n")
            done("lock", cwd=project)
            facts = facts_of(project, "-t", name, "--push")
            assert facts_of(project, "-t", name, "--push")["sent"] == 0
            docker("image", "rm", base)
            docker("pull", name)
            with run_image(name) as container:
                [answer] = ask(container.url, [CALL])
                assert answer.status == 200, answer
            said = log.read_text(errors="replace")
            assert len(re.findall(r"POST /v2/team/echo/blobs/uploads/\?mount=\S+ HTTP/1.1\" 201", said)) >= 1
            attached = 3  # the bill of materials, the statement, and what stands for their configurations
            sent = facts["sent_blobs"] + attached
            assert len(re.findall(r"PUT /v2/team/echo/blobs/\S+ HTTP/1.1\" 201", said)) == sent
        finally:
            subprocess.run(["docker", "image", "rm", "--force", name, base], capture_output=True, check=False)


def test_a_damaged_model_is_told_when_it_is_read(project: Path, base: Path, tmp_path: Path, home: Path) -> None:
    """Whether its layer has to be made, or only written: nothing of it is handed out."""
    script = "import bentopack; bentopack.save_model('weights', b'x' * 40_000_000)"
    subprocess.run([sys.executable, "-c", script], check=True)
    service = project / "service.py"
    held = 'class Echo:\n    weights = bentopack.model("weights:latest")'
    service.write_text(service.read_text().replace("class Echo:", held))
    tag = done("build", "-o", "tag", cwd=project)
    facts_of(project, tag, "--base-from", base, "--layout", tmp_path / "whole")
    files = Path(done("get", tag, "-o", "path", cwd=project)).glob("models/**/*")
    [stored] = [each for each in files if each.is_file() and each.stat().st_size > 30_000_000]
    stored.chmod(0o644)
    with stored.open("r+b") as file:
        file.write(b"y")
    for _ in range(2):
        goal: list[str | Path] = ["--backend", "oci", "--base-from", base, "--archive", tmp_path / "image.tar"]
        fails(bentopack("containerize", tag, *goal, cwd=project), 9, f"{stored} is not the file that it was")
        assert not (tmp_path / "image.tar").exists()
        shutil.rmtree(home / "cache/oci/notes")


def test_what_needs_a_build_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it at once, with the way out."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    bentofile = project / "bentofile.yaml"
    bentofile.write_text(
        bentofile.read_text() + "docker: {system_packages: [curl], setup_script: setup.sh, distro: ubuntu}\n"
    )
    (project / "setup.sh").write_text("#!/bin/sh\n")
    refused = bentopack("containerize", "--backend", "oci", cwd=project)
    assert refused.returncode == 3
    for word in ("docker.system_packages", "docker.setup_script", "no Python of the right version", "--backend docker"):
        assert word in refused.stderr
