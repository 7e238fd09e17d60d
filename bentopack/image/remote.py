"""Bentos and models in a registry: pushed as the very layers that models have in images, pulled and proved."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bentopack._fs import normalise
from bentopack._report import Reporter
from bentopack._store import Store, Stored
from bentopack.bento.archive import Unpacker
from bentopack.bento.digest import SUMS_NAME, read_sums
from bentopack.bento.digest import version_of as version_of_bento
from bentopack.bento.origin import Origin
from bentopack.bento.store import bento_store, require_digest
from bentopack.bento.verify import ProvenBento, prove
from bentopack.errors import IntegrityError, NotFound
from bentopack.image.compile import Compiler, entries_in
from bentopack.image.from_bento import plan_bento
from bentopack.image.kinds import BENTO_ARTIFACT, MODEL_ARTIFACT
from bentopack.image.plan import BENTO, Layer
from bentopack.models.store import StoredModel, files_of, model_store, put_model, version_of
from bentopack.models.store import digest_of as digest_of_model
from bentopack.oci.archive import Pieces
from bentopack.oci.bounded import BoundedTar
from bentopack.oci.content import (
    EMPTY,
    MANIFEST,
    NOTHING,
    ContentError,
    Descriptor,
    artifact_manifest,
    digest_of,
)
from bentopack.oci.image import Part
from bentopack.oci.manifests import artifact_of
from bentopack.oci.parallel import at_once
from bentopack.oci.reference import Reference
from bentopack.oci.registry import Content, Registries, Sent
from bentopack.oci.rights import hint_for
from bentopack.oci.tar import Entry
from bentopack.spec.manifest import read_manifest
from bentopack.tag import Tag

_TAG, _DIGEST, _SIZE = (f"io.bentopack.{name}" for name in ("tag", "digest", "size"))
_OCI = "org.opencontainers.image"
_AT = f"{BENTO.strip('/')}/"
_AT_ONCE = 4


def push_bento(
    registries: Registries,
    reference: Reference,
    bento: Path,
    tag: Tag,
    digest: str,
    *,
    origin: Origin | None,
    compiler: Compiler,
    reporter: Reporter,
) -> tuple[str, Sent]:
    """Push a Bento, and return the digest that it has there, and what was sent.

    Its models are the layers that they are in its images too, so that a repository has each of them once; all else is
    one more layer. Its labels are annotations.

    Raises:
        RegistryError: the registry refuses, or cannot be reached.
        ContentError: a file changed since it was built.
    """
    manifest = read_manifest(bento)
    plan = plan_bento(bento, variant=next(iter(manifest.variants)))
    models = compiler.models(plan.of("model"), partial(entries_in, bento))
    rest = compiler.packed(("bento", digest), _all_but_models(bento))
    size = sum(path.stat().st_size for path in bento.rglob("*") if path.is_file())
    told = {**manifest.labels, **_annotations(tag, digest, size)}
    if origin:
        told[f"{_OCI}.revision"] = origin.revision
        told |= {f"{_OCI}.source": origin.source} if origin.source else {}
    return _push(registries, reference, BENTO_ARTIFACT, [(rest, "all but the models"), *models], told, reporter)


def push_model(
    registries: Registries, reference: Reference, model: StoredModel, *, compiler: Compiler, reporter: Reporter
) -> tuple[str, Sent]:
    """Push a model, and return the digest that it has there, and what was sent; its layers are those of images.

    Raises:
        IntegrityError, ContentError: it changed since it was saved.
        RegistryError: the registry refuses, or cannot be reached.
    """
    files = files_of(model.path)
    digest, path = digest_of_model(files), f"models/{model.tag.name}/{model.tag.version}"
    if version_of(digest) != model.tag.version:
        raise IntegrityError(f"the model '{model.tag}' in {model.path} is not what was saved: its digest is {digest}")
    entries = [
        Entry(
            f"{_AT}{path}/{each.path}",
            0o755 if each.executable else 0o644,
            source=model.path / each.path,
            sha256=each.sha256,
        )
        for each in files
    ]
    size = sum(each.size for each in files)
    layer = Layer("model", f"model {model.tag}", (path,), f"{BENTO}/{path}/", key=f"stored {digest}", size=size)
    told = {**model.description.labels, **_annotations(model.tag, digest, size)}
    parts = compiler.models([layer], lambda _: entries)
    return _push(registries, reference, MODEL_ARTIFACT, parts, told, reporter)


def pull_bento(registries: Registries, reference: Reference, name: str, reporter: Reporter) -> ProvenBento:
    """Pull a Bento, prove every file of it, and store it under its own tag; a damaged copy there is replaced.

    Raises:
        RegistryError: the registry has none, or cannot be reached.
        NotFound: what it has is no Bento, or one of another name.
        IntegrityError, ContentError: what comes is not what it says; or the tag is taken by other bytes.
        StorageError: the store cannot be written.
    """
    store = bento_store()
    with store.scratch() as scratch:
        proven = fetch_bento(registries, reference, name, scratch / "bento", reporter)
        stored = store.put(proven.tag, proven.path)
        if proven.path.is_dir():  # one is there already, and what it says of itself is no proof
            stored = _whole(store, stored, proven, reporter)
        return ProvenBento(stored.tag, stored.path, proven.digest)


def _whole(store: Store, stored: Stored, proven: ProvenBento, reporter: Reporter) -> Stored:
    """What is stored, unless it is a damaged copy of what was proved: that takes its place then.

    Raises:
        IntegrityError: the tag, given by a user, is another Bento's, or nobody can tell whose it is.
    """
    if proven.tag.version != version_of_bento(proven.digest):
        require_digest(stored, proven.digest)
    with suppress(IntegrityError, NotFound):
        if prove(stored.path).digest == proven.digest:
            return stored
    reporter.warn(f"the stored Bento '{stored.tag}' was damaged, and is replaced")
    store.delete(stored.tag)
    return store.put(proven.tag, proven.path)


def fetch_bento(
    registries: Registries, reference: Reference, name: str, folder: Path, reporter: Reporter
) -> ProvenBento:
    """Fetch a Bento into a folder that is made for it, and prove every file; the store is left as it is.

    Raises:
        RegistryError, NotFound, IntegrityError, ContentError: see :func:`pull_bento`.
    """
    found = _find(registries, reference, BENTO_ARTIFACT, name)
    folder.mkdir()
    _unpack_all(registries, reference, found, folder, _AT, reporter)
    normalise(folder)
    reporter.step("hashing what arrived")
    proven = prove(folder)
    if (proven.digest, str(proven.tag)) != (found.digest, found.tag):
        raise IntegrityError(
            f"{reference} should hold {found.tag}, {found.digest}, and holds {proven.tag}, {proven.digest}"
        )
    return proven


def pull_model(registries: Registries, reference: Reference, name: str, reporter: Reporter) -> StoredModel:
    """Pull a model, prove every file of it, and store it under its own tag.

    Raises:
        RegistryError, NotFound, IntegrityError, ContentError, StorageError: see :func:`pull_bento`.
    """
    found = _find(registries, reference, MODEL_ARTIFACT, name)
    with model_store().scratch() as scratch:
        (folder := scratch / "model").mkdir()
        _unpack_all(registries, reference, found, folder, f"{_AT}models/{found.tag.replace(':', '/')}/", reporter)
        digest = digest_of_model(files_of(folder))
        if digest != found.digest or found.tag != f"{name}:{version_of(digest)}":
            raise IntegrityError(f"{reference} should hold {found.tag}, {found.digest}, and holds {digest}")
        return put_model(name, folder)


@dataclass(frozen=True)
class _Found:
    """What an artifact says of itself."""

    tag: str
    digest: str
    size: int
    layers: tuple[Descriptor, ...]


def _find(registries: Registries, reference: Reference, artifact_type: str, name: str) -> _Found:
    if (manifest := registries.find_manifest(reference)) is None:
        raise NotFound(f"there is no {reference}", hint=hint_for(404))
    annotations, layers = artifact_of(manifest[0], artifact_type, reference)
    tag, digest, size = (str(annotations.get(key, "")) for key in (_TAG, _DIGEST, _SIZE))
    if not (re.fullmatch(r"sha256:[0-9a-f]{64}", digest) and re.fullmatch(r"[0-9]{1,18}", size)):
        raise ContentError(f"{reference} does not say its digest and its size")
    if tag.partition(":")[0] != name:
        raise NotFound(f"{reference} is not {name}: it is {tag or 'without a name'}")
    return _Found(tag, digest, int(size), tuple(layers))


def _push(
    registries: Registries,
    reference: Reference,
    artifact_type: str,
    parts: Sequence[tuple[Part, str]],
    annotations: Mapping[str, str],
    reporter: Reporter,
) -> tuple[str, Sent]:
    layers = [replace(part.descriptor, annotations={f"{_OCI}.title": told}) for part, told in parts]
    manifest = artifact_manifest(artifact_type, layers, annotations)
    contents = [Content(part.descriptor, part.stream, part.origin) for part, _ in parts]
    contents.append(Content.of(EMPTY, NOTHING))
    sent = registries.send(contents, reference, told=reporter.output)
    registries.put_manifest(reference, manifest, MANIFEST)
    return digest_of(manifest), sent


def _all_but_models(bento: Path) -> Iterator[Entry]:
    sums = read_sums(bento)
    for name, sha256 in sums.items():
        if not name.startswith("models/"):
            executable = (bento / name).stat().st_mode & 0o100
            yield Entry(f"{_AT}{name}", 0o755 if executable else 0o644, source=bento / name, sha256=sha256)
    yield Entry(f"{_AT}{SUMS_NAME}", source=bento / SUMS_NAME)


def _annotations(tag: Tag, digest: str, size: int) -> dict[str, str]:
    told = {_TAG: str(tag), _DIGEST: digest, _SIZE: str(size)}
    return {f"{_OCI}.title": tag.name, f"{_OCI}.version": tag.version, **told}


def _unpack_all(
    registries: Registries, reference: Reference, found: _Found, folder: Path, at: str, reporter: Reporter
) -> None:
    unpacker = Unpacker(folder, found.size)
    works = [partial(_unpack, registries, reference, layer, unpacker, at, reporter) for layer in found.layers]
    at_once(works, _AT_ONCE)


def _unpack(
    registries: Registries,
    reference: Reference,
    layer: Descriptor,
    unpacker: Unpacker,
    at: str,
    reporter: Reporter,
) -> None:
    """Write the files below ``at`` of one layer; anything else in it is refused."""
    reporter.output(f"fetching {layer.digest[7:19]} ({layer.size / 1e6:.1f} MB)")
    pieces = registries.pieces(reference, layer)
    try:
        with BoundedTar.open(fileobj=Pieces(pieces), mode="r|*") as tar:  # type: ignore[call-overload]
            for member in tar:
                if not member.isdir():
                    if not member.name.startswith(at):
                        raise IntegrityError(f"{reference}: '{member.name}' does not belong to it")
                    unpacker.take(tar, member, member.name.removeprefix(at))
    except (tarfile.TarError, EOFError) as error:
        raise IntegrityError(f"{reference}: its layer {layer.digest} cannot be unpacked: {error}") from None
    for _ in pieces:  # to its end, where its digest is known
        pass
