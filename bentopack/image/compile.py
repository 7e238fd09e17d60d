"""Compiles a Bento into an image without an engine: what the plan says, written as layers."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bentopack._fs import EPOCH
from bentopack._report import Reporter
from bentopack.bento.digest import read_sums
from bentopack.image.labels import rfc3339
from bentopack.image.plan import BENTO, VENV, ImagePlan, Layer
from bentopack.image.split import SPARE, Share, spare_layers, split_models
from bentopack.image.toolchain import Interpreter, find_compiler, uv_release
from bentopack.image.validate import PlanError
from bentopack.oci.blobs import Blobs
from bentopack.oci.blobs import Layer as Packed
from bentopack.oci.compress import GZIP, Compression
from bentopack.oci.image import Image, Part, Stream, make_image, read_config, settings_of
from bentopack.oci.layers import measure, pack
from bentopack.oci.tar import Entry, tar_size, tar_stream, tree

if TYPE_CHECKING:  # takes longer to import than most images to compile: their layers are there already
    from bentopack.image.wheels import Distribution

_RECIPE = "1"  # changes with what is written from the same inputs
_PLAIN_FROM = 32 << 20  # bytes; models are dense already, and would be read and packed for nothing
_OWN_LAYER_FROM = 4 << 20  # bytes of an installed wheel; smaller ones share a layer
_OWN_LAYERS = 60
_NOT_WITHOUT_AN_ENGINE = {
    "interpreter": "its base has no Python of the right version",
    "system": "docker.system_packages have to be installed in it",
    "setup": "docker.setup_script has to run in it",
    "conda": "conda's packages have to be installed in it",
}
DOCKER = "the build has to run in the image: --backend docker, with an engine, podman or buildah"


@dataclass(frozen=True)
class Compiler:
    """What layers are made with: where they are kept, when files count as changed, who is told, how they are packed.

    ``ahead`` begins to send a layer, of so many bytes, to where the image goes; it is told its digest afterwards.
    """

    blobs: Blobs
    reporter: Reporter
    time: int = EPOCH
    ahead: Callable[[int, Stream], Callable[[str], None]] | None = None
    compression: Compression = GZIP

    def compile(self, plan: ImagePlan, bento: Path, base: Image, interpreter: str, labels: dict[str, str]) -> Image:
        """Compile an image.

        Args:
            plan: what it is to be.
            bento: the Bento's folder.
            base: the image below.
            interpreter: the base's Python, such as ``/usr/local/bin/python3.11``.
            labels: beside the plan's.

        Raises:
            PlanError: the plan asks for what only a build in the image can do, or the image would have too many layers.
        """
        for volume in _hiding(base):
            self.reporter.warn(
                f"the base has a volume at {volume}: where that is mounted empty, it hides the Bento's files"
            )
        spare = spare_layers(plan, len(base.parts))
        split = split_models(plan.of("model"), partial(entries_in, bento), spare)
        own = min(_OWN_LAYERS, spare - sum(len(shares) - 1 for shares in split.values()))
        parts: list[tuple[Part, str]] = []
        for layer in plan.layers:
            if layer.kind == "python":
                made = self._python(plan, bento, layer, interpreter, own)
                parts += [(self._part(each), told) for each, told in made]
            elif layer.kind == "runtime":
                parts.append((self._part(self._runtime(plan, bento, layer)), layer.holds))
            else:
                parts += self._made(layer, tuple(entries_in(bento, layer)), split.get(layer))
        told = {**dict(plan.labels), **labels}
        return make_image(
            base,
            [part for part, _ in parts],
            settings(plan, base, told),
            platform=plan.platform,
            history=[f"bentopack: {words}" for _, words in parts],
            created=rfc3339(self.time),
            annotations={key: value for key, value in told.items() if key.startswith("org.opencontainers.image.")},
        )

    def models(self, layers: Sequence[Layer], entries_of: Callable[[Layer], Iterable[Entry]]) -> list[tuple[Part, str]]:
        """The layers of models and what each holds, as they are in images.

        Args:
            layers: as a plan has them, with key and size.
            entries_of: lists what each of them holds.
        """
        split = split_models(layers, entries_of, SPARE)
        return [made for each in layers for made in self._made(each, tuple(entries_of(each)), split.get(each))]

    def packed(self, recipe: Sequence[str], entries: Iterable[Entry]) -> Part:
        """A layer of other entries; ``recipe`` stands for them."""
        return self._part(self._once(recipe, entries))

    def _part(self, packed: Packed) -> Part:
        return Part(packed, lambda: self.blobs.stream(packed.descriptor.digest))

    def _packed_key(self, *recipe: str) -> str:
        return _key(self.compression.compressor, str(self.time), *recipe)

    def _packed(self, entries: Iterable[Entry]) -> Packed:
        return pack(self.blobs, entries, time=self.time, compression=self.compression)

    def _once(self, recipe: Sequence[str], entries: Iterable[Entry]) -> Packed:
        """Pack entries, or take what the same recipe gave before."""
        return self.blobs.once(self._packed_key(*recipe), lambda: self._packed(entries))

    def _made(self, layer: Layer, entries: Share, shares: Sequence[Share] | None) -> list[tuple[Part, str]]:
        """What is copied as it is; in several layers where it is split."""
        recipe = (layer.kind, layer.key or "")
        if (layer.size or 0) < _PLAIN_FROM:
            return [(self._part(self._once(recipe, entries)), layer.holds)]
        if not shares:
            return [(self._plain(recipe, entries, layer.holds), layer.holds)]
        told = [f"{layer.holds} ({number} of {len(shares)})" for number in range(1, len(shares) + 1)]
        return [
            (self._plain((*recipe, *(entry.path for entry in share)), share, words), words)
            for share, words in zip(shares, told, strict=True)
        ]

    def _plain(self, recipe: Sequence[str], entries: Share, holds: str) -> Part:
        """A layer that is written nowhere, and sent while its digest is being computed where that is not known."""
        key = _key("plain", str(self.time), *recipe)

        def stream() -> Iterator[bytes | memoryview]:
            return tar_stream(entries, time=self.time)

        def measured() -> Packed:
            self.reporter.step(f"hashing {holds}")
            named = self.ahead(tar_size(entries), stream) if self.ahead else None
            packed = measure(entries, time=self.time)
            if named:
                named(packed.descriptor.digest)
            return packed

        return Part(self.blobs.once(key, measured), stream)

    def _runtime(self, plan: ImagePlan, bento: Path, layer: Layer) -> Packed:
        """bentopack's own wheel: pure Python, so that its files are all there is to install."""
        wheel = bento / layer.paths[0]
        compiler = find_compiler(plan.python, self.blobs)
        recipe = ("runtime", plan.python, _told(compiler), layer.key or "")
        if found := self.blobs.layer(self._packed_key(*recipe)):
            return found
        from bentopack.image.wheels import compiled

        with tempfile.TemporaryDirectory(prefix="bentopack-runtime-") as folder:
            unpacked = Path(folder, "files")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(unpacked)
            entries = [entry for entry in tree(unpacked, layer.target.strip("/")) if not entry.is_folder]
            [more] = compiled([entries], plan.python, compiler, Path(folder), self.reporter)
            return self._once(recipe, [*entries, *more])

    def _python(
        self, plan: ImagePlan, bento: Path, layer: Layer, interpreter: str, own: int
    ) -> list[tuple[Packed, str]]:
        """The locked wheels: ``own`` large ones are each a layer that other images have too; the rest share one."""
        requirements = bento / layer.paths[1]
        text = requirements.read_text("utf-8")
        compiler = find_compiler(plan.python, self.blobs)
        key_of = partial(self._packed_key, uv_release(), _told(compiler), plan.python, plan.platform)
        whole = key_of(interpreter, text, str(own))
        known = [(self.blobs.layer(key), words) for key, words in self.blobs.noted(whole) or ()]
        if known and all(packed for packed, _ in known):
            return [(packed, words) for packed, words in known if packed]
        from bentopack.image.wheels import compiled, lay_out

        self.reporter.step(f"laying out {layer.holds}")
        with tempfile.TemporaryDirectory(prefix="bentopack-venv-") as folder:
            laid = lay_out(requirements, plan.python, plan.platform, Path(folder, "laid"), self.reporter)
            groups = _grouped(laid, plan, interpreter, key_of, own)
            missing = [group for group in groups if self.blobs.layer(group.key) is None]
            entries = [group.entries for group in missing]
            bytecode = compiled(entries, plan.python, compiler, Path(folder), self.reporter)
            for group, more in zip(missing, bytecode, strict=True):
                self.blobs.note_layer(group.key, self._packed([*group.entries, *more]))
        self.blobs.note(whole, [(group.key, group.holds) for group in groups])
        return [(packed, group.holds) for group in groups if (packed := self.blobs.layer(group.key))]


@dataclass(frozen=True)
class _Group:
    """Wheels that share a layer."""

    holds: str
    key: str
    entries: tuple[Entry, ...]


def entries_in(bento: Path, layer: Layer) -> Iterator[Entry]:
    """What a layer of a Bento's own files holds, each with what the Bento says that it is."""
    top, at, sums = bento / layer.paths[0], layer.target.strip("/"), read_sums(bento)
    for entry in [Entry(at, _mode(top), source=top)] if top.is_file() else tree(top, at):
        path = entry.source.relative_to(bento).as_posix() if isinstance(entry.source, Path) else ""
        yield replace(entry, sha256=sums.get(path))


def _grouped(
    laid: Sequence[Distribution], plan: ImagePlan, interpreter: str, key_of: Callable[..., str], most: int
) -> list[_Group]:
    """Return the large wheels by themselves, of many the largest, then all others, with what makes an environment.

    Those that are at odds about a path are among the others, whatever their size: the last of them by name has it.
    """
    from bentopack.image.wheels import skeleton

    large = [each for each in laid if each.size >= _OWN_LAYER_FROM and not each.at_odds]
    own = {each.name for each in sorted(large, key=lambda each: (-each.size, each.name))[:most]}
    groups = [
        _Group(f"{each.name} {each.version}", key_of("wheel", *each.identity), each.entries)
        for each in laid
        if each.name in own
    ]
    rest = [each for each in laid if each.name not in own]
    files = {entry.path: entry for each in rest for entry in each.entries}
    key = key_of("wheels", interpreter, *(word for each in rest for word in each.identity))
    entries = (*skeleton(plan.python, interpreter), *files.values())
    return [*groups, _Group(f"{len(rest)} Python packages", key, entries)]


def _told(compiler: Interpreter | None) -> str:
    return compiler.release if compiler else "no bytecode"


def settings(plan: ImagePlan, base: Image, labels: dict[str, str]) -> dict[str, object]:
    """What containers run with, as an image's configuration has it."""
    below = settings_of(read_config(base.config))
    environment = dict(each.partition("=")[::2] for each in below.get("Env") or [])
    environment["PATH"] = f"{VENV}/bin:{environment.get('PATH', _PATH)}"
    if plan.library_folders:
        before = environment.get("LD_LIBRARY_PATH")
        environment["LD_LIBRARY_PATH"] = ":".join([*plan.library_folders, *([before] if before else [])])
    environment |= dict(plan.environment)
    health, nano = plan.health_check, 1_000_000_000
    return {
        "User": plan.user,
        "WorkingDir": plan.workdir,
        "Entrypoint": list(plan.entrypoint),
        "Cmd": None,
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "ExposedPorts": {f"{plan.port}/tcp": {}},
        "StopSignal": plan.stop_signal,
        # What the base says of itself is not so of the image.
        "Labels": {
            **{key: value for key, value in (below.get("Labels") or {}).items() if not key.startswith(_OF_AN_IMAGE)},
            **labels,
        },
        # Docker's own; runtimes that do not know it leave it.
        "Healthcheck": {
            "Test": ["CMD", *health.command],
            "Interval": health.interval * nano,
            "Timeout": health.timeout * nano,
            "StartPeriod": health.start_period * nano,
            "Retries": health.retries,
        },
    }


def _hiding(base: Image) -> list[str]:
    """The base's volumes that lie around what the image has, or in it."""
    volumes = settings_of(read_config(base.config)).get("Volumes") or {}
    ours = [f"{place}/" for place in (BENTO, VENV)]
    found = [f"/{volume.strip('/')}/".replace("//", "/") for volume in volumes]
    return sorted(each.rstrip("/") or "/" for each in found if any(_around(each, other) for other in ours))


def _around(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


_OF_AN_IMAGE = ("org.opencontainers.image.", "io.bentopack.")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def require_compilable(plan: ImagePlan) -> None:
    """Refuse a plan that only a build in the image can carry out.

    Raises:
        PlanError: names each reason.
    """
    wrong = [
        reason for kind, reason in _NOT_WITHOUT_AN_ENGINE.items() if any(each.kind == kind for each in plan.layers)
    ]
    wrong += ["docker.dockerfile_template says more than layers do"] if plan.template else []
    wrong += ["a package is compiled while it is installed"] if plan.base.builder_image else []
    if wrong:
        raise PlanError("\n".join(f"the image cannot be made without an engine: {each}" for each in wrong), hint=DOCKER)


def _key(*words: str) -> str:
    return hashlib.sha256(json.dumps([_RECIPE, *words]).encode()).hexdigest()


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644
