"""Building, with a real engine."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import trustme

from bentopack._report import Reporter, Silent
from bentopack.bento.digest import list_files
from bentopack.errors import ImageBuildError
from bentopack.image.build import build_image, export_image
from bentopack.image.build_options import BuildOptions
from bentopack.image.builder import Builder, of_docker
from bentopack.image.client import Client
from bentopack.image.engine import Engine, ImageFacts
from bentopack.image.keys import with_keys
from bentopack.image.planner import plan_image
from bentopack.image.render import render_dockerignore
from bentopack.image.running import end_client
from bentopack.image.secrets import Secret, beside_usual
from bentopack.oci.content import image_manifest
from bentopack.oci.image import Image
from bentopack.oci.layout import write_layout
from bentopack.spec.manifest import ImageInfo, Manifest
from tests.doubles import Recorder

from .conftest import Make

LOCK = "env/python/cpu/requirements.lock"
Write = Callable[[Manifest], Path]
# Of this process alone: test processes may run side by side.
TAG = f"bentopack-test/image:{os.getpid()}"
ALONE = f"bentopack-test/alone:{os.getpid()}"
MODELS = "bentopack.invalid/model"
# All that a quoting could get wrong; BuildKit and the classic builder read it with different code.
GREETING = "say \"hi\" to $USER, ${HOME:-x}, 'you', C:\\new\\"


@pytest.fixture
def build(engine: Engine, client: Client, base_image: str, bento: Write) -> Iterator[Callable[..., ImageFacts]]:
    """Builds a manifest's Bento on the test's base image; the image is removed at the end."""

    def built(
        manifest: Manifest,
        *,
        buildkit: bool = True,
        edit: Callable[[Path], object] | None = None,
        base: str = base_image,
        reporter: Reporter | None = None,
        **options: Any,
    ) -> ImageFacts:
        folder = bento(manifest)
        if edit:
            edit(folder)
        if buildkit and not client.buildkit:
            pytest.skip("this machine's docker command has no BuildKit")
        return build_image(
            of_docker(engine, replace(client, buildkit=buildkit)),
            folder,
            with_keys(plan_image(manifest, "", base_image=base), list_files(folder)),
            BuildOptions((TAG,), **options),
            environ=os.environ,
            reporter=reporter or Silent(),
        )

    yield built
    docker_rm(TAG)


def docker_rm(image: str) -> None:
    subprocess.run(["docker", "image", "rm", "--force", image], capture_output=True, check=False)


def command(path: str) -> Builder:
    """A builder that is any command, without an engine."""
    engine = Engine(client=cast("Any", None), endpoint="none", version="20.10.24")
    return of_docker(engine, Client(path, "20.10.24", buildkit=True))


def run(*options: str) -> str:
    """Run the image with ``docker run`` options, as a user would, and return what it printed."""
    return subprocess.run(["docker", "run", "--rm", *options, TAG], capture_output=True, text=True, check=True).stdout


def drop_index(folder: Path) -> None:
    """Leave only the requirement in the lock, and not where it is found."""
    lock = folder / LOCK
    lock.write_text(lock.read_text().partition("wheels\n")[2])


def wrong_hash(folder: Path) -> None:
    """Make the lock expect another file than the one that is there."""
    lock = folder / LOCK
    lock.write_text(re.sub("sha256:.*", f"sha256:{'0' * 64}", lock.read_text()))


@pytest.mark.engine
@pytest.mark.parametrize("buildkit", [True, False], ids=["buildkit", "classic"])
def test_image(build: Callable[..., ImageFacts], manifest: Make, engine: Engine, buildkit: bool) -> None:
    """Both builders give the image that the plan says, and it runs locked down: any uid, read-only, no capability."""
    image = ImageInfo(env={"GREETING": GREETING}, setup_script="env/docker/setup_script")
    facts = build(manifest(image=image), buildkit=buildkit, labels={"io.bentopack.bento.digest": "sha256:1"})

    assert facts.id.startswith("sha256:")
    assert TAG in facts.tags
    config = engine.client.images.get(facts.id).attrs["Config"]
    assert config["User"] == "10001:0"
    assert config["Entrypoint"] == ["/opt/venv/bin/python", "-m", "bentopack", "serve", "/bento"]
    assert config["StopSignal"] == "SIGTERM"
    assert "3000/tcp" in config["ExposedPorts"]
    assert config["Labels"]["io.bentopack.bento.digest"] == "sha256:1"

    said = json.loads(run("--read-only", "--user", "12345:0", "--cap-drop", "ALL"))
    assert said["ids"] == [12345, 0]
    assert said["cwd"] == "/bento/src"
    assert said["answer"] == 42
    assert said["env"]["GREETING"] == GREETING

    assert shell(LISTING) == [
        "/bento/bento.yaml",
        "/bento/models/iris/1.0/model.bin",
        "/bento/src/service.py",
        "0",
        "0",
    ]


# Files of the Bento; how many pips are left; who ran the setup script.
LISTING = """
find /bento -type f | sort
find /opt/venv -type d -name pip | wc -l
cat /opt/setup-ran-as
"""


def shell(script: str) -> list[str]:
    """Run a script in the image."""
    command = ["docker", "run", "--rm", "--entrypoint", "/bin/sh", TAG, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.engine
def test_a_large_model_is_sent_once(build: Callable[..., ImageFacts], manifest: Make, engine: Engine) -> None:
    """It has an image of its own, from which builds copy it; the image that serves it is as it would be without."""
    large = f"{os.getpid()} ".encode() * (8 << 20)

    def edit(folder: Path) -> None:
        folder.joinpath("models/iris/1.0/model.bin").write_bytes(large)

    before = {tag for each in engine.client.images.list(MODELS) for tag in each.tags}
    made = {build(manifest(), edit=edit).id}
    made.add(build(manifest(), edit=edit, reporter=(told := Recorder())).id)
    assert not [step for step in told.steps if step.startswith("sending")]
    assert shell("sha256sum < /bento/models/iris/1.0/model.bin")[0] == hashlib.sha256(large).hexdigest()
    assert shell("stat -c %u:%g:%a /bento/models/iris/1.0/model.bin") == ["0:0:644"]
    [image] = {tag for each in engine.client.images.list(MODELS) for tag in each.tags} - before
    docker_rm(image)


@pytest.mark.engine
def test_edit_of_the_source_changes_one_layer(
    build: Callable[..., ImageFacts], manifest: Make, engine: Engine, base_image: str
) -> None:
    """After an edit of the source every layer but the last is the one that was there: only that one is pushed."""

    # On a base of this test alone: where two builds make one layer at the same time, an engine keeps both.
    dockerfile = f"FROM {base_image}\nRUN echo {os.getpid()} > /opt/alone\n"
    subprocess.run(
        ["docker", "build", "--tag", ALONE, "-"], input=dockerfile, text=True, capture_output=True, check=True
    )

    def layers(source: str) -> list[str]:
        facts = build(manifest(), base=ALONE, edit=lambda folder: (folder / "src/service.py").write_text(source))
        return list(engine.client.images.get(facts.id).attrs["RootFS"]["Layers"])

    before, after = layers("ANSWER = 42\n"), layers("ANSWER = 43\n")
    docker_rm(ALONE)
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


@pytest.mark.engine
def test_secret_in_no_layer(build: Callable[..., ImageFacts], manifest: Make, tmp_path: Path) -> None:
    """A secret is read by the build and found in no file, name or setting of the image."""
    word = "s3cret-7c1f"
    conf = tmp_path / "pip.conf"
    conf.write_text(
        f"[global]\nno-index = true\nfind-links = python/wheels\nproxy = http://user:{word}@proxy.example\n"
    )
    # Only the secret says where the packages are: the build succeeds because pip has read it.
    build(manifest(), secrets=(Secret("pip.conf", conf),), edit=drop_index)

    archive = tmp_path / "image.tar"
    subprocess.run(["docker", "save", "--output", str(archive), TAG], check=True)
    for content in contents(archive):
        assert word.encode() not in content


TRUSTING = """#!/bin/sh
set -e
sha256sum < "$SSL_CERT_FILE" > /opt/trusted
"""


@pytest.mark.engine
def test_ca_bundle_is_in_no_layer(build: Callable[..., ImageFacts], manifest: Make, tmp_path: Path) -> None:
    """The build trusts the user's certificates, and neither they nor a variable that names them stay in the image."""
    bundle = tmp_path / "company.pem"
    trustme.CA(organization_name="of a company").cert_pem.write_to_path(str(bundle))
    known = [line for line in bundle.read_bytes().splitlines() if len(line) == 64]

    def trusting(folder: Path) -> None:
        folder.joinpath("env/docker/setup_script").write_text(TRUSTING)

    image = ImageInfo(setup_script="env/docker/setup_script")
    build(manifest(image=image), ca_bundle=bundle, edit=trusting, no_cache=True)  # other certificates, same result
    trusted = beside_usual(bundle, os.environ)
    assert trusted.endswith(bundle.read_bytes())
    assert shell("cat /opt/trusted")[0] == hashlib.sha256(trusted).hexdigest()
    assert shell("env | grep -c /run/secrets || true; ls /run/secrets 2>/dev/null | wc -l") == ["0", "0"]
    archive = tmp_path / "image.tar"
    subprocess.run(["docker", "save", "--output", str(archive), TAG], check=True)
    for content in contents(archive):
        assert not any(line in content for line in known)


def contents(archive: Path) -> Iterator[bytes]:
    """All that a saved image holds, as far as it is read: its configuration, and its layers."""
    with tarfile.open(archive) as outer:
        for member in outer.getmembers():
            if file := outer.extractfile(member):
                yield unpacked(file.read())


def unpacked(blob: bytes) -> bytes:
    """Newer engines save layers compressed."""
    return gzip.decompress(blob) if blob.startswith(b"\x1f\x8b") else blob


@pytest.mark.engine
def test_a_proxy_is_for_the_build_alone(build: Callable[..., ImageFacts], manifest: Make, engine: Engine) -> None:
    """A predefined build argument, as a proxy is one, is there while it builds and nowhere in the image."""
    word = f"proxy-{os.getpid()}.example"

    def edit(folder: Path) -> None:
        script = folder / "env/docker/setup_script"
        script.write_text(f'#!/bin/sh\n[ "$NO_PROXY" = "{word}" ] && echo yes > /opt/proxied\n')

    image = ImageInfo(setup_script="env/docker/setup_script")
    facts = build(manifest(image=image), edit=edit, build_args=(f"NO_PROXY={word}",))
    assert shell("cat /opt/proxied") == ["yes"]
    told = json.dumps([engine.client.images.get(facts.id).attrs, engine.client.images.get(facts.id).history()])
    assert word not in told
    assert word not in " ".join(shell("env"))


@pytest.mark.engine
def test_failing_step(build: Callable[..., ImageFacts], manifest: Make) -> None:
    """A build that fails in the engine tells the step and its last lines, such as pip's own words."""
    with pytest.raises(ImageBuildError, match="DO NOT MATCH THE HASHES") as caught:
        build(manifest(), edit=wrong_hash)
    assert "pip --python /opt/venv/bin/python install" in caught.value.message.splitlines()[0]


@pytest.mark.engine
def test_base_without_the_right_python(build: Callable[..., ImageFacts], manifest: Make) -> None:
    """A base of the user's own with another Python is told in words, not as a failing pip."""
    with pytest.raises(ImageBuildError, match=r"needs python3 3\.13 with venv"):
        build(manifest(python="3.13"))


def test_context_holds_what_layers_need(manifest: Make) -> None:
    """Of the Bento's folder only what a layer is made from goes to the engine."""
    kept = render_dockerignore(plan_image(manifest(), "")).split()
    assert kept[0] == "*"
    assert "!src" in kept
    assert "!models/iris/1.0" in kept
    assert not any("gpu" in line or "README" in line for line in kept)


@pytest.mark.engine
def test_setup_script_is_in_no_layer(build: Callable[..., ImageFacts], manifest: Make, tmp_path: Path) -> None:
    """With BuildKit the image holds what the setup script did, and not what it says."""
    build(manifest(image=ImageInfo(setup_script="env/docker/setup_script")))
    archive = tmp_path / "image.tar"
    subprocess.run(["docker", "save", "--output", str(archive), TAG], check=True)
    names = [name for layer in layer_files(archive) for name in layer]
    assert "opt/setup-ran-as" in names
    assert not any("setup_script" in name for name in names)


def layer_files(archive: Path) -> Iterator[list[str]]:
    """The names in each layer of a saved image."""
    with tarfile.open(archive) as outer:
        [image] = json.load(cast("Any", outer.extractfile("manifest.json")))
        for layer in image["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                yield inner.getnames()


@pytest.mark.parametrize(("path", "mode"), [("src/service.py", 0o600), ("models/iris", 0o755), ("src", 0o700)])
def test_unreadable_files_are_refused(manifest: Make, bento: Write, path: str, mode: int) -> None:
    """A Bento that was unpacked under a strict umask is told at once, not by a container that does not start."""
    folder = bento(manifest())
    folder.joinpath(path).chmod(mode)
    with pytest.raises(ImageBuildError) as caught:
        build_image(
            command("/bin/false"),
            folder,
            plan_image(manifest(), ""),
            BuildOptions((TAG,)),
            environ=os.environ,
            reporter=Silent(),
        )
    refused = mode & 0o040 == 0
    assert (f"{folder / path}: its group may not read it" in caught.value.message) == refused
    assert (caught.value.hint == f"chmod -R g+rX {folder}") == refused


class StopsAtTheFirstLine(Silent):
    """A user who presses Ctrl-C as soon as the build says something."""

    def output(self, line: str) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_ends_the_client(manifest: Make, bento: Write, tmp_path: Path) -> None:
    """Ctrl-C leaves no client running, and so no build in the engine."""
    script = tmp_path / "docker"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\necho building\nexec sleep 60\n")
    script.chmod(0o755)
    plan = plan_image(manifest(), "")
    with pytest.raises(KeyboardInterrupt):
        build_image(
            command(str(script)),
            bento(manifest()),
            plan,
            BuildOptions((TAG,)),
            environ=os.environ,
            reporter=StopsAtTheFirstLine(),
        )
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_second_ctrl_c_ends_the_client_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who presses Ctrl-C again while the client takes its time leaves no client either."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", "trap '' INT; echo ready; sleep 60"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    wait = process.wait

    def interrupted(timeout: float | None = None) -> int:
        if timeout is not None:
            raise KeyboardInterrupt
        return wait()

    monkeypatch.setattr(process, "wait", interrupted)
    with process.stdout, pytest.raises(KeyboardInterrupt):
        end_client(process)
    assert process.poll() is not None


def test_an_export_is_the_same_build_written_elsewhere(manifest: Make, bento: Write, tmp_path: Path) -> None:
    """BuildKit is asked again, with its cache and without tags, and what it writes is read as it is.

    A script stands in for a newer Docker than can be counted on; it writes the layout of an image that we made.
    """
    below = Image((), b'{"rootfs": {"diff_ids": []}}', b"")
    below = replace(below, manifest=image_manifest(below.config_descriptor, [], {}))
    write_layout(below, tmp_path / "made", [])
    script = tmp_path / "docker"
    script.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n'
        f"""goal=$(echo "$@" | sed 's/.*dest=\\([^ ]*\\).*/\\1/')\ncp -r {tmp_path}/made/. $goal\n"""
    )
    script.chmod(0o755)
    (scratch := tmp_path / "scratch").mkdir()
    image = export_image(
        command(str(script)),
        bento(manifest()),
        plan_image(manifest(), ""),
        BuildOptions((TAG,), no_cache=True, epoch=5),
        environ=os.environ,
        reporter=Silent(),
        folder=scratch,
    )
    assert image.manifest == below.manifest
    asked = (tmp_path / "asked").read_text()
    assert "rewrite-timestamp=true" in asked
    assert "SOURCE_DATE_EPOCH=5" in asked
    assert "--no-cache" not in asked
    assert TAG not in asked
