"""Images without an engine, as the compiler makes them."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bentopack._fs import sha256_file, write_atomic
from bentopack.bento.digest import write_sums
from bentopack.image import compile as compile_module
from bentopack.image import split
from bentopack.image.compile import Compiler
from bentopack.image.from_bento import plan_bento
from bentopack.image.plan import ImagePlan
from bentopack.image.toolchain import Interpreter
from bentopack.image.validate import PlanError
from bentopack.oci.blobs import Blobs, Layer
from bentopack.oci.compress import GZIP, Compression
from bentopack.oci.content import LAYER, Descriptor, canonical, digest_of
from bentopack.oci.image import Image, Part, Stream, make_image
from bentopack.spec.manifest import Manifest
from tests.doubles import Recorder

from .conftest import Make, recorded_wheel

GOLDEN = Path(__file__).with_name("golden") / "image.json"
INTERPRETER = "/usr/local/bin/python3.11"
PLAIN = Compression(LAYER, "none", lambda pieces: map(bytes, pieces))


def base_of(layers: int, settings: dict[str, object] | None = None) -> Image:
    """An image of so many layers that nobody reads, with these settings."""
    parts = [
        Part(
            Layer(Descriptor(LAYER, digest_of(bytes([each])), 1), digest_of(bytes([each]))),
            lambda: iter([bytes(10240)]),
        )
        for each in range(layers)
    ]
    nothing = Image((), canonical({"rootfs": {"type": "layers", "diff_ids": []}}), b"")
    return make_image(
        nothing,
        parts,
        settings or {},
        platform="linux/amd64",
        history=[],
        created="1980-01-01T00:00:00Z",
        annotations={},
    )


@pytest.fixture
def made(manifest: Make, bento: Callable[[Manifest], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small Bento, on a machine that has no Python for bytecode: its bytes depend on the release."""
    monkeypatch.setattr(compile_module, "find_compiler", lambda *_: None)
    return bento(manifest())


def compiler(folder: Path, ahead: Callable[[int, Stream], Callable[[str], None]] | None = None) -> Compiler:
    """One that compresses nothing."""
    return Compiler(Blobs(folder / "blobs"), Recorder(), ahead=ahead, compression=PLAIN)


def compiled(maker: Compiler, plan: ImagePlan, bento: Path, below: int = 1) -> Image:
    return maker.compile(plan, bento, base_of(below), INTERPRETER, {})


def told(image: Image) -> list[str]:
    """The steps that made the layers above the base."""
    steps = [each["created_by"] for each in json.loads(image.config)["history"]]
    return [each for each in steps if each.startswith("bentopack: ")]


def members(part: Part) -> set[str]:
    """The files in a layer."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(part.stream()))) as archive:
        return {member.name for member in archive if member.isfile()}


def test_golden_image(made: Path, tmp_path: Path) -> None:
    """An image's bytes change only on purpose. Renew the file with: BENTOPACK_RENEW_GOLDEN=1 pytest -k test_golden."""
    image = compiled(replace(compiler(tmp_path), compression=GZIP), plan_bento(made), made)
    found = {
        "manifest": image.descriptor.digest,
        "config": json.loads(image.config),
        "layers": [sorted(members(part)) for part in image.parts[1:]],
    }
    if os.environ.get("BENTOPACK_RENEW_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    assert found == json.loads(GOLDEN.read_text())


@pytest.fixture
def large(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Bento with a model that is more than one layer."""
    monkeypatch.setattr(split, "_SHARE", 1000)
    monkeypatch.setattr(compile_module, "_PLAIN_FROM", 1000)
    for name in ("a/1", "a/2", "b/1"):
        write_atomic(made / f"models/iris/1.0/{name}", name * 300)
    write_sums(made)
    return made


def test_a_large_model_is_several_layers(large: Path, tmp_path: Path) -> None:
    """Each is told apart and sent ahead by itself; nothing is lost, and nothing is hashed twice."""
    begun: list[tuple[int, bytes]] = []
    named: list[str] = []

    def ahead(size: int, stream: Stream) -> Callable[[str], None]:
        begun.append((size, b"".join(stream())))
        return named.append

    plan = plan_bento(large)
    models = replace(plan, layers=plan.of("model"))
    image = compiled(compiler(tmp_path, ahead), models, large)
    assert told(image) == [f"bentopack: model iris:1.0 ({number} of 3)" for number in (1, 2, 3)]
    parts = image.parts[1:]
    top = "bento/models/iris/1.0"
    assert [members(part) for part in parts] == [{f"{top}/a/1"}, {f"{top}/a/2"}, {f"{top}/b/1", f"{top}/model.bin"}]
    assert named == [part.descriptor.digest for part in parts] == [digest_of(content) for _, content in begun]
    assert [size for size, _ in begun] == [part.descriptor.size for part in parts]
    again = compiler(tmp_path, ahead)
    assert compiled(again, models, large).manifest == image.manifest
    assert len(named) == 3


def test_large_wheels_leave_room(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that would be a layer too many shares that of the others."""
    monkeypatch.setattr(compile_module, "_OWN_LAYER_FROM", 1)
    plan, maker = plan_bento(made), compiler(tmp_path)
    assert len(plan.layers) == 5
    roomy, full = (compiled(maker, plan, made, below) for below in (121, 122))
    assert told(roomy)[:2] == ["bentopack: tiny 1.0", "bentopack: 0 Python packages"]
    assert told(full)[0] == "bentopack: 1 Python packages"
    assert len(roomy.parts) == len(full.parts) == 127
    with pytest.raises(PlanError, match="128 layers"):
        compiled(maker, plan, made, 123)


def test_a_python_that_comes_later_compiles(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that were made without bytecode, or by another release, are not taken for those that it makes."""
    plan, maker = plan_bento(made), compiler(tmp_path)
    without = compiled(maker, plan, made)
    found = [Interpreter(sys.executable, release) for release in ("3.11.1", "3.11.2")]
    for each in found:
        monkeypatch.setattr(compile_module, "find_compiler", lambda *_, each=each: each)
        image = compiled(maker, plan, made)
        assert any(name.endswith(".pyc") for part in image.parts for name in members(part))
        assert image.manifest != without.manifest
    keys = [key for key in (tmp_path / "blobs/notes").iterdir() if b"Python packages" in key.read_bytes()]
    assert len(keys) == 3
    monkeypatch.setattr(compile_module, "uv_release", lambda: "uv-0.0.0")
    assert compiled(maker, plan, made).manifest == image.manifest
    assert len([key for key in (tmp_path / "blobs/notes").iterdir() if b"Python packages" in key.read_bytes()]) == 4


def test_a_wheels_own_layer_has_its_own_files(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another project has it beside one with a file at the same path: that layer may not be taken for it."""
    monkeypatch.setattr(compile_module, "_OWN_LAYER_FROM", 1)
    images = {}
    for project, names in (("both", ["aaa", "bbb"]), ("one", ["aaa"])):
        bento = Path(shutil.copytree(made, tmp_path / project))
        folder, lines = bento / "env/python/cpu/wheels", ["--no-index", "--find-links wheels"]
        for name in names:
            text = f"WHO = '{name}'\n"
            wheel = recorded_wheel(folder / f"{name}-1.0-py3-none-any.whl", {"shared.py": text, f"{name}.py": text})
            lines.append(f"{name}==1.0 --hash=sha256:{sha256_file(wheel)}")
        write_atomic(bento / "env/python/cpu/requirements.lock", "\n".join(lines) + "\n")
        write_sums(bento)
        images[project] = compiled(compiler(tmp_path), plan_bento(bento), bento)
        fresh = compiled(compiler(tmp_path / "elsewhere" / project), plan_bento(bento), bento)
        assert fresh.manifest == images[project].manifest
    assert "bentopack: aaa 1.0" not in told(images["both"])
    assert "bentopack: aaa 1.0" in told(images["one"])
    [content] = [read(part, "shared.py") for part in images["one"].parts if read(part, "shared.py")]
    assert content == b"WHO = 'aaa'\n"
    [content] = [read(part, "shared.py") for part in images["both"].parts if read(part, "shared.py")]
    assert content == b"WHO = 'bbb'\n"


def read(part: Part, name: str) -> bytes:
    """What a layer holds under a name that ends so."""
    with tarfile.open(fileobj=io.BytesIO(b"".join(part.stream()))) as archive:
        for member in archive:
            if member.name.endswith(f"/{name}") and (file := archive.extractfile(member)):
                return file.read()
    return b""


def test_labels_of_the_base_are_not_the_images(made: Path, tmp_path: Path) -> None:
    """What it says of its own source and time goes; what others read of it stays."""
    theirs = {
        "org.opencontainers.image.revision": "abc",
        "org.opencontainers.image.created": "2024",
        "io.bentopack.bento.tag": "other:1",
        "maintainer": "them",
    }
    base = base_of(1, {"Labels": theirs})
    image = compiler(tmp_path).compile(plan_bento(made), made, base, INTERPRETER, {"io.bentopack.bento.tag": "iris:1"})
    labels = json.loads(image.config)["config"]["Labels"]
    assert (labels["maintainer"], labels["io.bentopack.bento.tag"]) == ("them", "iris:1")
    assert not {"org.opencontainers.image.revision", "org.opencontainers.image.created"} & labels.keys()


@pytest.mark.parametrize(
    ("volume", "hides"),
    [("/", True), ("/bento", True), ("/opt/", True), ("/bento/models", True), ("/data", False), ("/optional", False)],
)
def test_a_volume_that_hides_the_image(made: Path, tmp_path: Path, volume: str, hides: bool) -> None:
    """Of a base with a volume around the code, or in it, the user is warned: some engines mount it empty."""
    maker = compiler(tmp_path)
    base = base_of(1, {"Volumes": {volume: {}}})
    maker.compile(plan_bento(made), made, base, INTERPRETER, {})
    assert isinstance(maker.reporter, Recorder)
    assert any("has a volume at" in each for each in maker.reporter.warnings) == hides
