"""Bentos in a registry: pushed as the very layers that their models have in images, pulled and proved file by file."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from bentopack._fs import normalise
from bentopack._report import Reporter
from bentopack._store import Stored
from bentopack.bento.archive import Unpacker
from bentopack.bento.digest import SUMS_NAME, read_sums
from bentopack.bento.origin import Origin
from bentopack.bento.store import bento_store, require_digest
from bentopack.bento.verify import prove
from bentopack.errors import IntegrityError, NotFound
from bentopack.image.compile import Compiler
from bentopack.image.from_bento import plan_bento
from bentopack.image.plan import BENTO
from bentopack.oci.archive import Pieces
from bentopack.oci.content import EMPTY, MANIFEST, Descriptor, artifact_manifest, describe, digest_of
from bentopack.oci.reference import Reference
from bentopack.oci.registry import Content, Registries, Sent, artifact_of
from bentopack.oci.tar import Entry
from bentopack.spec.manifest import Manifest, read_manifest
from bentopack.tag import Tag

ARTIFACT = "application/vnd.bentopack.bento.v1"
_TAG, _DIGEST, _SIZE, _MODEL = (f"io.bentopack.{name}" for name in ("bento.tag", "bento.digest", "size", "model"))
_AT = f"{BENTO.strip('/')}/"
_AT_ONCE = 4
_NOTHING = b"{}"


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
    models = compiler.models(plan, bento)
    rest = compiler.packed(("bento", digest), _all_but_models(bento))
    parts = [(rest, "all but the models"), *models]
    layers = [replace(part.descriptor, annotations={"org.opencontainers.image.title": told}) for part, told in parts]
    written = artifact_manifest(ARTIFACT, layers, _annotations(manifest, bento, tag, digest, origin))
    contents = [Content(part.descriptor, part.stream, part.origin) for part, _ in parts]
    contents.append(Content(describe(EMPTY, _NOTHING), lambda: iter([_NOTHING])))
    sent = registries.send(contents, reference, told=reporter.output)
    registries.put_manifest(reference, written, MANIFEST)
    return digest_of(written), sent


def pull_bento(registries: Registries, reference: Reference, name: str, reporter: Reporter) -> Stored:
    """Pull a Bento, prove every file of it, and store it under its own tag.

    Raises:
        RegistryError: the registry has none, or cannot be reached.
        NotFound: what it has is no Bento, or one of another name.
        IntegrityError, ContentError: what comes is not what it says; or the tag is taken by other bytes.
        StorageError: the store cannot be written.
    """
    annotations, layers = artifact_of(registries.manifest(reference)[0], ARTIFACT, reference)
    promised, size = annotations.get(_DIGEST, ""), annotations.get(_SIZE, "")
    if not (promised.startswith("sha256:") and size.isascii() and size.isdigit()):
        raise NotFound(f"{reference} is a Bento without its digest and size")
    if annotations.get(_TAG, "").partition(":")[0] != name:
        raise NotFound(f"{reference} is not a Bento {name}: it is {annotations.get(_TAG)}")
    store = bento_store()
    with store.scratch() as scratch:
        (folder := scratch / "bento").mkdir()
        unpacker = Unpacker(folder, int(size))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda layer: _unpack(registries, reference, layer, unpacker, reporter), layers))
        normalise(folder)
        reporter.step("hashing what arrived")
        proven = prove(folder)
        if proven.digest != promised:
            raise IntegrityError(f"{reference} should hold {promised}, and holds {proven.digest}")
        if str(proven.tag) != annotations[_TAG]:
            raise IntegrityError(f"{reference} should hold {annotations[_TAG]}, and holds {proven.tag}")
        stored = store.put(proven.tag, proven.path)
        require_digest(stored, proven.digest)
        return stored


def _all_but_models(bento: Path) -> Iterator[Entry]:
    sums = read_sums(bento)
    for name, sha256 in sums.items():
        if not name.startswith("models/"):
            executable = (bento / name).stat().st_mode & 0o100
            yield Entry(f"{_AT}{name}", 0o755 if executable else 0o644, source=bento / name, sha256=sha256)
    yield Entry(f"{_AT}{SUMS_NAME}", source=bento / SUMS_NAME)


def _annotations(manifest: Manifest, bento: Path, tag: Tag, digest: str, origin: Origin | None) -> Mapping[str, str]:
    found = {
        **manifest.labels,
        "org.opencontainers.image.title": tag.name,
        "org.opencontainers.image.version": tag.version,
        _TAG: str(tag),
        _DIGEST: digest,
        _SIZE: str(sum(path.stat().st_size for path in bento.rglob("*") if path.is_file())),
    }
    if origin:
        found["org.opencontainers.image.revision"] = origin.revision
        found |= {"org.opencontainers.image.source": origin.source} if origin.source else {}
    return found


def _unpack(
    registries: Registries, reference: Reference, layer: Descriptor, unpacker: Unpacker, reporter: Reporter
) -> None:
    reporter.output(f"fetching {layer.digest[7:19]} ({layer.size / 1e6:.1f} MB)")
    pieces = registries.pieces(reference, layer)
    try:
        with tarfile.open(fileobj=Pieces(pieces), mode="r|*") as tar:  # type: ignore[call-overload]
            for member in tar:
                if not member.isdir():
                    if not member.name.startswith(_AT):
                        raise IntegrityError(f"{reference}: '{member.name}' is no file of a Bento")
                    unpacker.take(tar, member, member.name.removeprefix(_AT))
    except (tarfile.TarError, EOFError) as error:
        raise IntegrityError(f"{reference}: its layer {layer.digest} cannot be unpacked: {error}") from None
    for _ in pieces:  # to its end, where its digest is known
        pass
