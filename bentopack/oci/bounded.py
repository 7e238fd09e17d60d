"""Reads archives of which nobody knows who made them: their headers alone cannot fill the memory."""

from __future__ import annotations

import tarfile

_MOST = 1 << 20  # bytes of all headers of one member: the longest path is 4096, an attribute of a file 65536 at most
_EACH = 1 << 13  # bytes that a header counts at least: a chain of empty ones is read in as many calls, one in the other
_MOST_OF_ALL = 16  # keys that hold for all members
_LONG = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class _Member(tarfile.TarInfo):
    """What a header says; one that is followed by more of them is refused before these are read."""

    def _proc_member(self, archive: BoundedTar) -> tarfile.TarInfo:
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"{self.name} is a sparse file")  # its map may be of any length
        if self.type in _LONG:
            archive.held += max(self.size, _EACH)
            if archive.held > _MOST or len(archive.pax_headers) > _MOST_OF_ALL:
                raise tarfile.ReadError("a header is too long")
        found: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        archive.held = 0
        return found

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise tarfile.ReadError(f"{self.name} is a sparse file")


class BoundedTar(tarfile.TarFile):
    """An archive whose headers hold a mebibyte for each member at most; sparse files are refused.

    What is wrong with one is a ``tarfile.ReadError``.
    """

    tarinfo = _Member
    held = 0
    """Bytes of the headers of the member that is being read."""
