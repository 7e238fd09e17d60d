"""Reads requirements files as pip does, and refuses what it does not know.

What was read here is what the resolver gets, not the files, so that nothing is installed that was not seen, hashed
and found fit to be locked.
"""

from __future__ import annotations

import codecs
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from bentopack.errors import LockError
from bentopack.lock.credentials import without_credentials
from bentopack.lock.pyproject import dependency_lines
from bentopack.lock.resolver import Indexes, RequirementsFile
from bentopack.spec.buildable import BadSource, Source, read_source
from bentopack.spec.requirement import is_archive

_SHORT = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "--pypi-url": "--index-url",
    "-f": "--find-links",
}
_WITH_VALUE = {
    *("--requirement", "--constraint", "--editable", "--index-url", "--extra-index-url", "--find-links"),
    *("--trusted-host", "--no-binary", "--only-binary"),
}
_ALONE = {"--no-index", "--pre", "--prefer-binary", "--require-hashes"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_requirements(first: Path, root: Path) -> tuple[RequirementsFile, ...]:
    """Read a requirements file and all that it names by ``-r`` and ``-c``, each once.

    Of a ``pyproject.toml`` the project's dependencies are read.

    Raises:
        LockError: one is missing, lies outside ``root``, or asks for what cannot be locked.
    """
    root = root.resolve()
    found: dict[tuple[Path, bool], RequirementsFile] = {}
    waiting = [(_inside(first, root, "python.requirements_txt"), False)]
    while waiting:
        path, constraint = waiting.pop(0)
        if (path, constraint) in found:
            continue
        reader = _Reader(path, path.relative_to(root).as_posix(), root)
        found[path, constraint] = reader.read(constraint=constraint)
        # What a file of constraints names is a constraint too, however it is named.
        waiting += [(_inside(each, root, place), constraint or kind) for each, kind, place in reader.nested]
    return tuple(found.values())


def merge(indexes: Indexes, files: tuple[RequirementsFile, ...]) -> Indexes:
    """Add the index options of requirements files to those of the bentofile.

    Raises:
        LockError: they name different main indexes.
    """
    for file in files:
        more = file.indexes
        if more.index_url and indexes.index_url and more.index_url != indexes.index_url:
            raise LockError(
                f"{file.name}: the index {without_credentials(more.index_url)} is another than "
                f"{without_credentials(indexes.index_url)}; there can be one",
                hint="keep one as python.index_url, and give the other under python.extra_index_url",
            )
        indexes = replace(
            indexes,
            index_url=indexes.index_url or more.index_url,
            no_index=indexes.no_index or more.no_index,
            extra_index_url=_once(indexes.extra_index_url + more.extra_index_url),
            find_links=_once(indexes.find_links + more.find_links),
            folders=tuple(dict.fromkeys(indexes.folders + more.folders)),
            trusted_host=_once(indexes.trusted_host + more.trusted_host),
        )
    return indexes


def with_places(indexes: Indexes, places: tuple[str, ...], base: Path, place: str) -> Indexes:
    """Add what ``--find-links`` names, addresses and folders, which are relative to ``base``.

    Raises:
        LockError: a folder does not exist.
    """
    for each in places:
        if re.match(r"\$\{|(?!file:)[A-Za-z][A-Za-z0-9+.-]+://", each):
            indexes = replace(indexes, find_links=_once((*indexes.find_links, each)))
            continue
        folder = base / re.sub(r"^file:(//(localhost)?(?=/))?", "", each)
        if not folder.is_dir():
            raise LockError(
                f"{place}: '{each}' is neither an address nor a folder", hint="name a folder that holds wheels"
            )
        indexes = replace(indexes, folders=tuple(dict.fromkeys((*indexes.folders, folder.resolve()))))
    return indexes


def _once(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


@dataclass
class _Reader:
    """Reads one file, line by line."""

    path: Path
    name: str
    root: Path
    nested: list[tuple[Path, bool, str]] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    indexes: Indexes = field(default_factory=Indexes)

    def read(self, *, constraint: bool) -> RequirementsFile:
        lines = []
        read = dependency_lines if self.path.suffix == ".toml" else _lines
        for number, line in read(self.path, self.name):
            place = f"{self.name}:{number}"
            lines.append(line)
            if line.startswith("-"):
                for option, value in _options(line, place):
                    self._option(option, value, line, place)
            elif source := _source(line, place):
                self._build(source, place)
            else:
                self.requirements.append(_requirement(line, place))
        if constraint and self.sources:
            raise LockError(f"{self.name}: '{without_credentials(self.sources[0].line)}' is no limit of versions")
        return RequirementsFile(
            self.name,
            constraint,
            tuple(lines),
            tuple(self.requirements),
            tuple(self.options),
            self.indexes,
            tuple(self.sources),
        )

    def _build(self, source: Source, place: str) -> None:
        # pip takes a path from where it runs, uv from where the file is.
        if source.folder and not (self.root / source.folder).exists():
            source = replace(source, folder=str(self.path.parent / source.folder))
        if source.folder and not (self.root / source.folder).is_dir():
            raise LockError(f"{place}: the folder of '{source.line}' does not exist")
        self.sources.append(source)

    def _option(self, option: str, value: str, line: str, place: str) -> None:
        if option == "--editable":
            source = _source(value, place)
            if source is None:
                raise LockError(f"{place}: '{without_credentials(line)}' names neither a folder nor a git repository")
            self._build(source, place)
        elif option in {"--requirement", "--constraint"}:
            self.nested.append((self.path.parent / value, option == "--constraint", place))
        elif option == "--find-links":
            self.indexes = with_places(self.indexes, (_address(value, place),), self.path.parent, place)
        elif option == "--index-url":
            self.indexes = replace(self.indexes, index_url=_address(value, place))
        elif option == "--extra-index-url":
            self.indexes = replace(
                self.indexes, extra_index_url=(*self.indexes.extra_index_url, _address(value, place))
            )
        elif option == "--trusted-host":
            self.indexes = replace(self.indexes, trusted_host=(*self.indexes.trusted_host, _address(value, place)))
        elif option == "--no-index":
            self.indexes = replace(self.indexes, no_index=True)
        elif option != "--require-hashes":  # everything is hashed anyway
            self.options.append(f"{option} {shlex.quote(value)}" if value else option)


def _lines(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers: continued ones joined, without comments and blank ones."""
    first, parts = 0, ""
    for number, line in enumerate([*_text(path, name).splitlines(), ""], start=1):
        first = first or number
        # As pip does: a line that is all comment continues nothing, though a backslash ends it.
        if line.endswith("\\") and not re.match(r"\s*#", line):
            parts += line.strip("\\")
            continue
        comment = " " if re.match(r"\s*#", line) else ""
        text = re.sub(r"(^|\s)#.*$", "", parts + comment + line).strip()
        if text:
            yield first, text
        first, parts = 0, ""


def _text(path: Path, name: str) -> str:
    content = path.read_bytes()
    mark, encoding = next(((mark, each) for mark, each in _BOMS if content.startswith(mark)), (b"", "utf-8"))
    try:
        return content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise LockError(f"{name}: the file is not text: {error}", hint="save it as UTF-8") from None


def _options(line: str, place: str) -> Iterator[tuple[str, str]]:
    """Take a line apart into options and their values ('' where there is none)."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise LockError(f"{place}: '{without_credentials(line)}' cannot be read: {error}") from None
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            option, given, value = word.partition("=")
        else:
            option, value = word[:2], word[2:]
            given = value
        name = _SHORT.get(option, option)
        if name in _ALONE and not given:
            yield name, ""
        elif name in _WITH_VALUE and (given or words):
            yield name, value if given else words.pop(0)
        elif name in _WITH_VALUE:
            raise LockError(f"{place}: the option '{option}' needs a value")
        else:
            raise LockError(
                f"{place}: the option '{option}' is not known here",
                hint="write options in full, and options for one package's build nowhere: only wheels can be locked",
            )


def _source(text: str, place: str) -> Source | None:
    try:
        return read_source(text)
    except BadSource as error:
        raise LockError(without_credentials(f"{place}: '{text}' cannot be built: {error}")) from None


def _requirement(line: str, place: str) -> str:
    """Return a requirement line once it is known to be one that can be locked."""
    text, *options = re.split(r"\s+(?=-)", line, maxsplit=1)
    if re.match(r"\.{0,2}/|\.|~|file:", text):
        raise _unhashable(line, place)
    if options and not re.fullmatch(r"(--hash[=\s]\s*\w+:[0-9a-f]+\s*)+", options[0]):
        raise LockError(f"{place}: '{without_credentials(line)}' has options other than --hash")
    if not is_archive(text):
        try:
            url = Requirement(text).url or ""
        except InvalidRequirement:
            raise LockError(f"{place}: '{without_credentials(line)}' is not a requirement") from None
        if url.lower().startswith("file:"):
            raise _unhashable(line, place)
    return line


def _unhashable(line: str, place: str) -> LockError:
    return LockError(
        f"{place}: '{without_credentials(line)}' cannot be locked: it has no hash that stays the same",
        hint="build a wheel of it and list the wheel under python.wheels",
    )


def _address(value: str, place: str) -> str:
    """Return a value that can be written on an option's line."""
    if not re.fullmatch(r"[^\x00-\x20\x7f\"'\\-][^\x00-\x20\x7f\"'\\]*", value):
        raise LockError(f"{place}: {without_credentials(value)!r} is not an address")
    return value


def _inside(path: Path, root: Path, place: str) -> Path:
    resolved = path.resolve()
    if not resolved.is_relative_to(root):
        raise LockError(f"{place}: {path} is outside the project {root}")
    if not resolved.is_file():
        raise LockError(f"{place}: the file {path} does not exist")
    return resolved
