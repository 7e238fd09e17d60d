"""Bentos as files: what is exported can be imported, and nothing else can."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from bentopack.bento.archive import export_bento, import_bento
from bentopack.bento.store import bento_store
from bentopack.errors import BentopackError, IntegrityError, NotFound
from tests.bento.test_build import build
from tests.echo import echo_project


@pytest.fixture
def archive(home: Path, tmp_path: Path) -> Path:
    """An exported Bento, whose store is empty again."""
    built = build(echo_project(tmp_path / "p"))
    path = export_bento(bento_store().get(built.tag), tmp_path / "echo.bento")
    bento_store().delete(built.tag)
    return path


def test_an_exported_bento_comes_back_whole(home: Path, tmp_path: Path) -> None:
    """Export, delete, import: the same tag and the same digest."""
    built = build(echo_project(tmp_path / "p"))
    path = export_bento(bento_store().get(built.tag), tmp_path)
    assert path.name == f"echo-{built.tag.version}.bento"
    bento_store().delete(built.tag)
    assert import_bento(path).tag == built.tag
    assert import_bento(path).tag == built.tag


def test_an_archives_bytes_follow_from_the_bento(archive: Path, tmp_path: Path) -> None:
    """Exporting what was imported writes the same file."""
    stored = import_bento(archive)
    assert export_bento(stored, tmp_path / "again.bento").read_bytes() == archive.read_bytes()


def rewritten(
    archive: Path, change: Callable[[tarfile.TarInfo], None], add: tarfile.TarInfo | None = None, *, room: int = 9
) -> Path:
    """Copy an archive, changing each member and adding one; it says that it holds ``room`` more bytes than before."""
    target = archive.with_name("changed.bento")
    with tarfile.open(archive) as source:
        size = int(source.pax_headers["bentopack.size"]) + room
        headers = {**source.pax_headers, "bentopack.size": str(size)}
    with tarfile.open(archive) as source, tarfile.open(target, "w:gz", pax_headers=headers) as copy:
        for member in source:
            content = source.extractfile(member)
            change(member)
            copy.addfile(member, content)
        if add is not None:
            copy.addfile(add, io.BytesIO(b"x" * add.size))
    return target


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    added = tarfile.TarInfo(name)
    added.type, added.linkname, added.size = kind, link, 0 if link else 1
    return added


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (member("../outside"), "would leave the Bento"),
        (member("/absolute"), "would leave the Bento"),
        (member("src/../../outside"), "would leave the Bento"),
        (member("src/./service.py"), "would leave the Bento"),
        (member("src\\..\\outside"), "would leave the Bento"),
        (member("link", tarfile.SYMTYPE, "/etc/passwd"), "is not a file"),
        (member("hard", tarfile.LNKTYPE, "bento.yaml"), "is not a file"),
        (member("pipe", tarfile.FIFOTYPE), "is not a file"),
        (member("bento.yaml"), "comes twice"),
        (member("bento.yaml/below"), "in another one's place"),
        (member("extra"), "added: extra"),
    ],
)
def test_what_no_export_writes_is_refused(archive: Path, added: tarfile.TarInfo, message: str) -> None:
    """An archive with a path that leads out, a link, a device, a double or an unlisted file stores nothing."""
    bad = rewritten(archive, lambda _: None, added)
    with pytest.raises(IntegrityError, match=message):
        import_bento(bad)
    assert bento_store().list() == []
    assert not (archive.parent / "outside").exists()


def test_errors_name_the_archive(archive: Path) -> None:
    """What is wrong is told of the file that the user named, not of the folder that it was unpacked to."""

    def forget(entry: tarfile.TarInfo) -> None:
        entry.name = "other" if entry.name == "SHA256SUMS" else entry.name

    bad = rewritten(archive, lambda _: None, member("extra"))
    with pytest.raises(IntegrityError) as told:
        import_bento(bad)
    assert str(told.value) == f"{bad} is not the Bento it was:\n  added: extra"
    bad = rewritten(archive, forget)
    with pytest.raises(IntegrityError) as told:
        import_bento(bad)
    assert str(told.value).startswith(f"{bad} has no SHA256SUMS")


def test_an_archive_of_another_tool_is_told(archive: Path) -> None:
    """Who packs a Bento by hand is told what packs it."""
    other = archive.with_name("other.bento")
    with tarfile.open(archive) as source, tarfile.open(other, "w:gz") as copy:
        for entry in source:
            copy.addfile(entry, source.extractfile(entry))
    with pytest.raises(IntegrityError, match=r"other\.bento was not made by `bentopack export`"):
        import_bento(other)


@pytest.mark.parametrize(
    "junk",
    [b"junk", gzip.compress(b"junk"), gzip.compress(bytes(1 << 20))],
    ids=["bare", "packed", "packed zeros"],  # gzip's head holds the time: no name for a test
)
def test_what_follows_an_archive_is_refused(archive: Path, junk: bytes) -> None:
    """Bytes after an archive's end are no part of a Bento, packed or not, zeros or not."""
    archive.write_bytes(archive.read_bytes() + junk)
    with pytest.raises(IntegrityError, match=r"after its end|is not a Bento archive"):
        import_bento(archive)


def test_a_changed_file_is_found(archive: Path) -> None:
    """One other byte in one file is enough to refuse an archive."""

    def shorten(entry: tarfile.TarInfo) -> None:
        if entry.name == "src/service.py":
            entry.size -= 1

    with pytest.raises(IntegrityError, match=r"changed: src/service\.py"):
        import_bento(rewritten(archive, shorten))


@pytest.mark.parametrize("keep", [0, 10, 600])
def test_a_file_that_is_cut_is_told(archive: Path, keep: int) -> None:
    """A truncated download is one error, at whatever byte it ends."""
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(IntegrityError, match="is not a Bento archive"):
        import_bento(archive)
    assert bento_store().list() == []


def test_what_is_not_there_is_told(home: Path, tmp_path: Path) -> None:
    """A file that does not exist cannot be imported, and a place that is not there not be written to."""
    with pytest.raises(NotFound):
        import_bento(tmp_path / "none.bento")
    built = build(echo_project(tmp_path / "p"))
    with pytest.raises(BentopackError, match="cannot write"):
        export_bento(bento_store().get(built.tag), tmp_path / "no/such/folder/x.bento")


def test_a_damaged_byte_is_told(archive: Path) -> None:
    """One flipped byte is one error, never a traceback; where it changes nothing that counts, the Bento is the same."""
    whole, refused = archive.read_bytes(), 0
    tag = import_bento(archive).tag
    for at in range(12, len(whole), max(1, len(whole) // 60)):
        archive.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            assert import_bento(archive).tag == tag
        except IntegrityError:
            refused += 1
    assert refused > 30


def test_changed_modes_are_told(archive: Path) -> None:
    """An archive whose files were made executable is not the Bento that was exported."""

    def executable(entry: tarfile.TarInfo) -> None:
        entry.mode = 0o755

    with pytest.raises(IntegrityError, match="is not what was exported"):
        import_bento(rewritten(archive, executable))


def test_a_bomb_is_refused(archive: Path) -> None:
    """An archive that unpacks to more than it says is refused before it fills the disk."""
    large = tarfile.TarInfo("large")
    large.size = 50 << 20
    with pytest.raises(IntegrityError, match="unpacks to more than the"):
        import_bento(rewritten(archive, lambda _: None, large))


def header(kind: bytes, size: int, name: str = "././@Header") -> bytes:
    """A header of a tar that says that so many bytes of one more follow."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = kind, size
    return entry.tobuf(tarfile.GNU_FORMAT)


def records(**values: str) -> bytes:
    """What a long header holds."""
    lines = [f"{len(key) + len(value) + 9:06} {key}={value}\n".encode() for key, value in values.items()]
    return b"".join(lines)


def padded(content: bytes) -> bytes:
    """Content as it stands in a tar."""
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


_LARGE = 100 << 20


@pytest.mark.parametrize(
    "blocks",
    [
        [header(tarfile.XHDTYPE, _LARGE), bytes(_LARGE)],
        [header(tarfile.XGLTYPE, _LARGE), bytes(_LARGE)],
        [header(tarfile.GNUTYPE_LONGNAME, _LARGE), b"x" * _LARGE],
        [header(tarfile.XHDTYPE, 1 << 19), bytes(1 << 19)] * 200,
        [header(tarfile.XHDTYPE, 0)] * 5000,
        [
            part
            for number in range(200)
            for text in [records(**{f"k{number:05}": "v" * 500_000})]
            for part in (
                header(tarfile.XGLTYPE, len(text)),
                text + bytes(-len(text) % 512),
                header(b"0", 0, f"{number}"),
            )
        ],
        [header(tarfile.GNUTYPE_SPARSE, 0)],
    ],
    ids=["one", "of all", "name", "several", "empty ones", "many keys", "sparse"],
)
def test_headers_do_not_fill_the_memory(archive: Path, blocks: list[bytes]) -> None:
    """However well they pack: a file of some kilobytes is refused before they are read."""
    first = records(**{"bentopack.digest": "x", "bentopack.size": "9"})
    with gzip.open(archive, "wb", 1) as file:
        file.write(header(tarfile.XGLTYPE, len(first)) + padded(first))
        for block in blocks:
            file.write(block)
        file.write(header(tarfile.REGTYPE, 0, "bento.yaml") + bytes(10240))
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match=r"a header is too long|is a sparse file"):
            import_bento(archive)
        assert tracemalloc.get_traced_memory()[1] < 120 << 20
    finally:
        tracemalloc.stop()


def test_what_packs_very_well_comes_back(home: Path, tmp_path: Path) -> None:
    """A Bento of zeros packs to a thousandth of its size, and is no bomb."""
    project = echo_project(tmp_path / "p", bentofile__yaml="service: service:Echo\n")
    (project / "zeros.bin").write_bytes(bytes(80 << 20))
    built = build(project)
    path = export_bento(bento_store().get(built.tag), tmp_path)
    assert path.stat().st_size < 1 << 20
    bento_store().delete(built.tag)
    assert import_bento(path).tag == built.tag
