"""Gets the image below: from its registry, a layout, an archive or the local engine; and finds the Python in it."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import EngineError, NotFound, RegistryError, UsageError
from bentopack.image.engine import Engine
from bentopack.image.plan import LOCKED_GLIBC, ImagePlan
from bentopack.image.validate import PlanError
from bentopack.oci.archive import Pieces, member_names, read_archive
from bentopack.oci.blobs import Blobs, Layer
from bentopack.oci.compress import GZIP
from bentopack.oci.content import LAYER, ContentError, Descriptor, image_manifest
from bentopack.oci.image import Image, Part, platform_of, read_config, settings_of, without_variant
from bentopack.oci.layout import read_layout
from bentopack.oci.reference import parse_reference
from bentopack.oci.registry import Registries
from bentopack.oci.tar import WHITEOUT

# Where distributions and the official images have it, the latter first.
_PLACES = ("usr/local/bin", "usr/bin", "opt/python/bin", "opt/bin")


def read_base(path: Path, plan: ImagePlan, blobs: Blobs) -> Image:
    """Read the base from a folder with an OCI layout, or from an archive of ``docker save``.

    Raises:
        UsageError: there is no such file.
        PlanError: it holds an image of another platform.
        ContentError: it holds no image, or none for the platform.
    """
    if path.is_dir():
        return read_layout(path, plan.platform)
    try:
        with path.open("rb") as file:
            return _packed(_required(read_archive(file, blobs), plan, f"--base-from {path}"), blobs)
    except OSError as error:
        raise UsageError(f"--base-from: {path} cannot be read: {error.strerror}") from None
    except ContentError as error:
        raise ContentError(f"--base-from {path}: {error.message}", hint=error.hint) from None


def fetch_base(
    plan: ImagePlan, blobs: Blobs, registries: Registries, engine: Engine | None, reporter: Reporter
) -> Image:
    """Get the base that a plan names: the engine's own where no digest pins it, as Docker does, else its registry's.

    Raises:
        RegistryError: neither has it.
        PlanError: the registry has it for another platform.
        ContentError: what comes is not of its digest.
    """
    reference = parse_reference(plan.base.reference)
    if engine and not reference.digest and (found := _of_engine(plan, blobs, engine, reporter)):
        return found
    try:
        image = registries.image(reference, plan.platform, blobs)
    except RegistryError as error:
        if engine and reference.digest and (found := _of_engine(plan, blobs, engine, reporter)):
            return found
        raise RegistryError(
            f"the base {plan.base.image} for {plan.platform}: {error.message}",
            hint=f"{error.hint or 'is that its name?'} Or take it out of a file: --base-from; or another: --base-image",
            status=error.status,
        ) from None
    return _required(image, plan, plan.base.image)


def _required(base: Image, plan: ImagePlan, name: str) -> Image:
    if (found := platform_of(base.config)) and found != without_variant(plan.platform):
        raise PlanError(
            f"the base {name} is for {found}, and the image is to be for {plan.platform}",
            hint="choose a base for that platform, or another --platform",
        )
    return base


def _of_engine(plan: ImagePlan, blobs: Blobs, engine: Engine, reporter: Reporter) -> Image | None:
    """The image as the engine has it; nothing where it has none for the platform."""
    reference = plan.base.reference
    try:
        facts = engine.inspect(reference)
    except (NotFound, EngineError):
        return None
    image, found, wanted = None, facts.platform, without_variant(plan.platform)
    if found in (None, wanted):
        image = _taken(reference, facts.id, blobs, engine, reporter)
        found = platform_of(image.config)
    if found in ("", wanted):
        return image
    reporter.step(f"the engine has {reference} for {found}: asking its registry for {wanted}")
    return None


def _taken(reference: str, image_id: str, blobs: Blobs, engine: Engine, reporter: Reporter) -> Image:
    """An engine hands out whole images only, so that this is done once."""
    key = hashlib.sha256(f"engine, {GZIP.compressor}, {image_id}".encode()).hexdigest()
    if told := blobs.noted(key):
        parts = tuple(_kept(each, diff_id, blobs) for each, diff_id in told["layers"])
        if all(blobs.has(part.descriptor) for part in parts):
            return Image(parts, blobs.read(told["config"]), blobs.read(told["manifest"]))
    reporter.step(f"taking {reference} out of the engine")
    image = _packed(read_archive(Pieces(engine.save(reference)), blobs), blobs)
    layers = [(part.descriptor.to_json(), part.layer.diff_id) for part in image.parts]
    blobs.note(key, {"config": blobs.put(image.config), "manifest": blobs.put(image.manifest), "layers": layers})
    return image


def _packed(image: Image, blobs: Blobs) -> Image:
    """An image whose layers are compressed: engines give them out as plain tars, and registries are sent them."""
    parts = tuple(_compressed(part, blobs) for part in image.parts)
    manifest = image_manifest(image.config_descriptor, [part.descriptor for part in parts], {})
    return Image(parts, image.config, manifest)


def _compressed(part: Part, blobs: Blobs) -> Part:
    if part.descriptor.media_type != LAYER:
        return part
    key = hashlib.sha256(f"{GZIP.compressor} {part.layer.diff_id}".encode()).hexdigest()

    def compressed() -> Layer:
        return Layer(Descriptor(GZIP.media_type, *blobs.add(GZIP.compress(part.stream()))), part.layer.diff_id)

    layer = blobs.once(key, compressed)
    return Part(layer, partial(blobs.stream, layer.descriptor.digest))


def _kept(told: object, diff_id: str, blobs: Blobs) -> Part:
    descriptor = Descriptor.from_json(told)
    return Part(Layer(descriptor, diff_id), lambda: blobs.stream(descriptor.digest))


def find_interpreter(base: Image, python: str, blobs: Blobs, name: str) -> str:
    """Return where the base has its Python, such as ``/usr/local/bin/python3.11``.

    The official images say it in their environment; in others it is looked for, in their layers.

    Raises:
        PlanError: there is none of this version, or its C library is not one that wheels are locked for.
    """
    config = read_config(base.config)
    environment = dict(each.partition("=")[::2] for each in settings_of(config).get("Env") or [])
    if re.match(rf"{re.escape(python)}\.", environment.get("PYTHON_VERSION", "")):
        steps = " ".join(str(each.get("created_by", "")) for each in config.get("history") or [])
        _require_glibc(name, _MUSL if re.search(r"\bapk add\b|alpine-minirootfs", steps) else "")
        return f"/usr/local/bin/python{python}"
    key = hashlib.sha256(f"python and libc, as left, {python} {base.config_descriptor.digest}".encode()).hexdigest()
    found = blobs.noted(key)
    if found is None:
        found = _look(base, python)
        blobs.note(key, found)
    _require_glibc(name, found["libc"])
    if not found["python"]:
        raise PlanError(
            f"the base {name} has no Python {python}",
            hint="choose one that has, or --backend docker, which brings one along",
        )
    return f"/{found['python']}"


def _require_glibc(name: str, libc: str) -> None:
    """Refuse a base whose C library the locked wheels do not run on; one that is not known is let pass."""
    least = ".".join(map(str, LOCKED_GLIBC))
    if libc == _MUSL or (libc and tuple(map(int, libc.split("."))) < LOCKED_GLIBC):
        has = libc if libc == _MUSL else f"glibc {libc}"
        raise PlanError(
            f"the base {name} has {has}, and wheels are locked for glibc {least} and newer",
            hint="choose a newer base with glibc: Debian 10, Ubuntu 20.04, RHEL 8 and Amazon Linux 2023 have it",
        )


_MUSL = "musl"
_OF_MUSL = re.compile(r"(usr/)?lib/ld-musl-\w+\.so\.1")
# Since 2.34 no file's name says which it is.
_OF_GLIBC = re.compile(r"(?:usr/)?lib(?:64|/\w+-linux-gnu)?/(?:libc-(2\.\d+)\.so|libc\.so\.6)")


def _look(base: Image, python: str) -> dict[str, str]:
    """Read all layers for the place of a Python, and for what tells the C library."""
    wanted = {f"{place}/python{python}" for place in _PLACES}
    there: set[str] = set()
    for part in base.parts:
        removed, added = set(), set()
        for name, _ in member_names(part.stream()):
            folder, _, last = name.rpartition("/")
            if last == _OPAQUE:
                removed.add(folder)
            elif last.startswith(WHITEOUT):
                removed.add(f"{folder}/{last.removeprefix(WHITEOUT)}".lstrip("/"))
            elif name in wanted or _OF_GLIBC.fullmatch(name) or _OF_MUSL.fullmatch(name):
                added.add(name)
        # A layer removes from those below it alone, wherever in it that stands.
        there = {each for each in there if not _is_below(each, removed)} | added
    glibc = [match for each in sorted(there) if (match := _OF_GLIBC.fullmatch(each))]
    musl = any(_OF_MUSL.fullmatch(each) for each in there)
    version = next((match[1] for match in glibc if match[1]), "")
    place = next((each for place in _PLACES if (each := f"{place}/python{python}") in there), "")
    return {"python": place, "libc": _MUSL if musl and not glibc else version}


_OPAQUE = f"{WHITEOUT}{WHITEOUT}.opq"  # all that the layers below have in its folder


def _is_below(name: str, removed: set[str]) -> bool:
    """Whether a file, or a folder around it, was removed."""
    return any(name == each or name.startswith(f"{each}/" if each else "") for each in removed)
