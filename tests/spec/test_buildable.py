"""Requirements that name source code."""

from __future__ import annotations

import pytest

from bentopack.spec.buildable import BadSource, Source, read_source


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("git+https://host/a/b.git", Source("", url="https://host/a/b.git")),
        ("git+https://host/a@v1#egg=My_Thing", Source("", name="my-thing", url="https://host/a", rev="v1")),
        ("git+ssh://git@host/a@v1", Source("", url="ssh://git@host/a", rev="v1")),
        ("x[b,a] @ git+https://host/a@feature/y", Source("", "x", ("a", "b"), None, "https://host/a", "feature/y")),
        (
            "git+https://host/a#egg=x[more]&subdirectory=p/q",
            Source("", "x", ("more",), None, "https://host/a", None, "p/q"),
        ),
        (
            "x @ git+https://host/a ; python_version<'3.11'",
            Source("", "x", (), 'python_version < "3.11"', "https://host/a"),
        ),
        ("-e git+https://host/a", Source("", url="https://host/a")),
        (".", Source("", folder=".")),
        ("./pkg", Source("", folder="./pkg")),
        ("-e ./pkg[dev]", Source("", extras=("dev",), folder="./pkg")),
        ("--editable=../pkg", Source("", folder="../pkg")),
        ("x @ file:///abs/my%20pkg", Source("", name="x", folder="/abs/my pkg")),
        ("file:pkg", Source("", folder="pkg")),
    ],
)
def test_every_spelling_is_read(line: str, source: Source) -> None:
    """All the ways by which pip takes source code of git or of a folder mean the same here."""
    read = read_source(line)
    assert read
    assert read.line == line
    assert (read.name, read.extras, read.marker) == (source.name, source.extras, source.marker)
    assert (read.url, read.rev, read.subdirectory, read.folder) == (
        source.url,
        source.rev,
        source.subdirectory,
        source.folder,
    )


@pytest.mark.parametrize(
    "line", ["numpy", "numpy>=1 ; python_version < '3'", "x @ https://host/x.whl", "-r x.txt", "git"]
)
def test_other_requirements_are_none(line: str) -> None:
    """What comes from an index or an address of a file is not built."""
    assert read_source(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "hg+https://host/a",
        "x @ svn+https://host/a",
        "git+ext::sh -c x",
        "git+file",
        "git+https://${TOKEN}@host/a",
        "git+https://host/a@--upload-pack=x",
        "git+https://host/a#subdirectory=../x",
        "./x.whl",
        "x @ file:///x.tar.gz",
        "./x ; nonsense",
    ],
)
def test_what_cannot_be_built_says_why(line: str) -> None:
    """Other version control, files, tricks with addresses, and markers that are none, are refused."""
    with pytest.raises(BadSource):
        read_source(line)
