"""Requirements files, read as pip reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic_core import PydanticCustomError

from bentopack.errors import LockError
from bentopack.lock.pip_file import merge, read_requirements, with_places
from bentopack.lock.resolver import Indexes
from bentopack.spec.requirement import requirement
from tests.doubles import write_files


def test_nested_files_are_followed(tmp_path: Path) -> None:
    """``-r`` and ``-c`` in every spelling are read, each once, though they name each other."""
    base = tmp_path / "base.txt"
    write_files(
        tmp_path,
        {
            "a.txt": f"-r sub/b.txt\n--constraint=c.txt\n-r{base.resolve()}\n",
            "sub/b.txt": "--requirement ../a.txt # back\nnumpy\n",
            "c.txt": "-r d.txt\nx<2\n",
            "d.txt": "y<2\n",
            "base.txt": "scipy\n",
        },
    )
    found = [
        (file.name, file.constraint, file.requirements) for file in read_requirements(tmp_path / "a.txt", tmp_path)
    ]
    assert found == [
        ("a.txt", False, ()),
        ("sub/b.txt", False, ("numpy",)),
        ("c.txt", True, ("x<2",)),
        ("base.txt", False, ("scipy",)),
        ("d.txt", True, ("y<2",)),
    ]


def test_a_link_to_the_project_is_the_project(tmp_path: Path) -> None:
    """A project that is reached by a link, and names its files in full, reads as any other."""
    write_files(tmp_path, {"p/r.txt": f"-r {tmp_path.resolve()}/p/base.txt\n", "p/base.txt": "x\n"})
    (tmp_path / "link").symlink_to(tmp_path / "p")
    files = read_requirements(tmp_path / "link/r.txt", tmp_path / "link")
    assert [file.name for file in files] == ["r.txt", "base.txt"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-e numpy", "r.txt:2: '-e numpy' names neither a folder nor a git repository"),
        ("-\\\ne ./local", "r.txt:2: the folder of './local' does not exist"),
        ("--editable=./local", "does not exist"),
        ("./local", "does not exist"),
        ("~/local", "cannot be locked"),
        ("file:///x.whl", "'file:///x.whl' cannot be built: '/x.whl' is a file"),
        ("x @ FILE:///x.whl", "cannot be locked"),
        ("x @ hg+https://example.org/x", "of version control systems only git is known"),
        ("x @ git+https://u:secret@/@--x", r"^((?!secret).)*$"),
        ("-c limits.txt", "'./pkg' is no limit of versions"),
        ("wheels/x.whl", "is not a requirement"),
        ("${EVERYTHING}", "is not a requirement"),
        ("-r ../out.txt", "is outside the project"),
        ("-r missing.txt", "missing.txt does not exist"),
        ("-r https://example.org/r.txt", "does not exist"),
        ("-r", "r.txt:2: the option '-r' needs a value"),
        ("--requiremen ../out.txt", "r.txt:2: the option '--requiremen' is not known here"),
        ("--req=../out.txt", "the option '--req' is not known here"),
        ("--no-index=1", "the option '--no-index' is not known here"),
        ("--pre numpy", "the option 'nu' is not known here"),
        ("--config-settings x=y", "the option '--config-settings' is not known here"),
        ("numpy --global-option=x", "has options other than --hash"),
        ("numpy -r ../out.txt", "has options other than --hash"),
        ("-f 'x", "cannot be read: No closing quotation"),
        ("-f no-such-folder", "'no-such-folder' is neither an address nor a folder"),
        ("-i 'https://example.org/ --pre'", "is not an address"),
    ],
)
def test_what_cannot_be_locked_is_refused_with_its_place(tmp_path: Path, line: str, message: str) -> None:
    """A line that is not known, has no stable hash, or leads out of the project, is named by file and line."""
    write_files(tmp_path, {"out.txt": "", "p/r.txt": f"numpy\n{line}\n", "p/pkg/x": "", "p/limits.txt": "./pkg\n"})
    with pytest.raises(LockError, match=message):
        read_requirements(tmp_path / "p/r.txt", tmp_path / "p")


def test_what_is_built_is_set_apart(tmp_path: Path) -> None:
    """Folders and git repositories are no requirements for a resolver; a path is the project's, else the file's."""
    lines = ["numpy", "-e .", "./pkg", "--editable=./near", "x @ git+https://example.org/x@v1"]
    write_files(tmp_path, {"sub/r.txt": "\n".join(lines), "pkg/x": "", "sub/near/x": ""})
    (file,) = read_requirements(tmp_path / "sub/r.txt", tmp_path)
    assert file.requirements == ("numpy",)
    assert [source.folder for source in file.sources] == [".", "./pkg", str(tmp_path.resolve() / "sub/near"), None]
    assert file.sources[3].rev == "v1"


def test_lines_are_joined_as_pip_joins_them(tmp_path: Path) -> None:
    """A backslash continues a line, a comment's does not, and options of the resolver and hashes are kept."""
    text = "num\\\npy # arrays\n# no \\\nscipy \\\n  --hash=sha256:aa \\\n  --hash sha256:bb\n--only-binary :all:\nx\\"
    write_files(tmp_path, {"r.txt": text})
    (file,) = read_requirements(tmp_path / "r.txt", tmp_path)
    assert file.requirements[0] == "numpy"
    assert file.requirements[1].split() == ["scipy", "--hash=sha256:aa", "--hash", "sha256:bb"]
    assert file.requirements[2] == "x"
    assert file.options == ("--only-binary :all:",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_file_of_any_editor_is_read(tmp_path: Path, encoding: str) -> None:
    """Windows PowerShell writes UTF-16; the mark at a file's begin tells."""
    path = tmp_path / "r.txt"
    path.write_bytes("numpy\r\n# größer\r\n".encode(encoding))
    assert read_requirements(path, tmp_path)[0].requirements == ("numpy",)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are one error, with the file's name."""
    (tmp_path / "r.txt").write_bytes(b"numpy\n# gr\xf6\xdfer\n")
    with pytest.raises(LockError, match=r"r\.txt: the file is not text"):
        read_requirements(tmp_path / "r.txt", tmp_path)


def test_index_options_of_a_file_are_taken(tmp_path: Path) -> None:
    """Every spelling of an index option counts, and a folder is relative to the file that names it."""
    write_files(
        tmp_path,
        {
            "reqs/r.txt": "-i https://a.example/s\n--extra-index-url=https://b.example/s --trusted-host b.example\n"
            "-fhouse\n--find-links https://c.example/l\n--no-index\nx\n",
            "reqs/house/x": "",
        },
    )
    (file,) = read_requirements(tmp_path / "reqs/r.txt", tmp_path)
    assert file.indexes == Indexes(
        index_url="https://a.example/s",
        extra_index_url=("https://b.example/s",),
        find_links=("https://c.example/l",),
        folders=((tmp_path / "reqs/house").resolve(),),
        trusted_host=("b.example",),
        no_index=True,
    )
    assert merge(Indexes(find_links=("https://d.example",)), (file,)).find_links == (
        "https://d.example",
        "https://c.example/l",
    )


def test_two_main_indexes_are_refused(tmp_path: Path) -> None:
    """Which of two indexes a package comes from is never left to chance; no password is told."""
    write_files(tmp_path, {"r.txt": "-i https://user:hunter2@a.example/s\n"})
    with pytest.raises(LockError, match=r"the index https://a\.example/s is another than https://b") as error:
        merge(Indexes(index_url="https://b.example/s"), read_requirements(tmp_path / "r.txt", tmp_path))
    assert "hunter2" not in str(error.value)


def test_folders_are_told_from_addresses(tmp_path: Path) -> None:
    """A path is relative to the project, a file: address is a folder too, and all else stays an address."""
    house = write_files(tmp_path / "house", {"x": ""}).resolve()
    places = ("house", f"{tmp_path}/house", house.as_uri(), "https://a.example/l", "${LINKS}/x")
    indexes = with_places(Indexes(), places, tmp_path, "python.find_links")
    assert indexes.folders == (house,)
    assert indexes.find_links == ("https://a.example/l", "${LINKS}/x")


def test_no_requirement_of_the_bentofile_continues() -> None:
    """A requirement that ends with a backslash would take the next one in."""
    with pytest.raises(PydanticCustomError, match="expected a requirement"):
        requirement("https://example.org/x.whl#y\\")
