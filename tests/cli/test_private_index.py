"""A project whose packages come from a private index: what it is given to get in is found nowhere afterwards."""

from __future__ import annotations

import base64
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.command import bentopack
from tests.echo import echo_project
from tests.index import LocalIndex, serving_index

NAME, PASSWORD = "bob-7f3a", "hunter2/c0f+fee"
USER = f"{NAME}:{quote(PASSWORD, safe='')}"
# Every form in which it could have been kept.
FORMS = [
    form.encode()
    for form in (
        PASSWORD,
        quote(PASSWORD, safe=""),
        quote(PASSWORD),
        base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode(),
        base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
    )
]


@pytest.fixture
def index(tmp_path: Path, fresh_machine: Path) -> Iterator[LocalIndex]:
    """A private index that has all that a Bento needs; beside the user's folder of this machine."""
    folder = tmp_path / "dist"
    folder.mkdir()
    with serving_index(user=f"{NAME}:{PASSWORD}") as served:
        served.add_runtime(folder)
        served.add_wheel(folder, "thing", "1.0", metadata="License: MIT\n")
        yield served


def leaks(folder: Path) -> list[str]:
    """The files below a folder in which the password is, whatever they are."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            found += [str(path) for form in FORMS if form in content or form in str(path).encode()]
    return found


def say_nothing(done: subprocess.CompletedProcess[str], code: int = 0) -> str:
    """The command ended so, and did not tell the password; returns all that it printed."""
    text = done.stdout + done.stderr
    assert done.returncode == code, text
    assert not any(form.decode() in text for form in FORMS)
    return text


@pytest.mark.parametrize(
    ("way", "resolver"),
    [
        *((way, "uv") for way in ("variables", "token", "pip", "same address", "uv", "netrc")),
        ("variables", "pip-tools"),
        ("pip", "pip-tools"),
    ],
)
def test_no_credential_is_left_anywhere(
    tmp_path: Path,
    home: Path,
    index: LocalIndex,
    fresh_machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    resolver: str,
) -> None:
    """Neither the lock, the Bento, its bill of materials, its Dockerfile, an archive, the store nor a log has it."""
    address, variables = {
        "variables": (
            index.url_with("${INDEX_USER}:${INDEX_WORD}"),
            {"INDEX_USER": NAME, "INDEX_WORD": quote(PASSWORD, safe="")},
        ),
        "token": (index.url_with("${INDEX_TOKEN}"), {"INDEX_TOKEN": USER}),
        "pip": (None, {"PIP_INDEX_URL": index.url_with(USER)}),
        "same address": (index.url, {"PIP_INDEX_URL": index.url_with(USER)}),
        "uv": (index.url, {"UV_DEFAULT_INDEX": index.url_with(USER)}),
        "netrc": (index.url, {}),
    }[way]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if way == "netrc":
        netrc = fresh_machine / ".netrc"
        netrc.write_text(f"machine 127.0.0.1 login {NAME} password {PASSWORD}\n")
        netrc.chmod(0o600)
    options = [f"index_url: '{address}'"] if address else []
    # Options for pip are what makes pip-tools resolve.
    options += ["pip_args: --no-cache-dir"] if resolver == "pip-tools" else []
    python = f"python: {{packages: [thing], {', '.join(options)}}}\n"
    project = echo_project(tmp_path / "p", bentofile__yaml=f"service: service:Echo\n{python}")

    say_nothing(bentopack("build", "--verbose", cwd=project))
    assert index.asked
    assert "license: MIT" in (project / "bentofile.lock").read_text()
    say_nothing(bentopack("lock", "--upgrade", "--verbose", cwd=project))
    say_nothing(bentopack("containerize", "echo", "--dockerfile", "-", cwd=project))
    archive = tmp_path / "out" / "echo.bento"
    archive.parent.mkdir()
    say_nothing(bentopack("export", "echo", archive, cwd=project))
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path / "out" / "unpacked")  # noqa: S202 - of our own making; 3.11.2 knows no filter
    assert (tmp_path / "out/unpacked").is_dir()
    assert leaks(project) == leaks(home) == leaks(tmp_path / "out") == []


def test_what_is_not_let_in_is_not_told(tmp_path: Path, home: Path, index: LocalIndex) -> None:
    """Where the password is wrong the error names the index, and not the password."""
    wrong = {"PIP_INDEX_URL": index.url_with(f"{NAME}:{FORMS[0][:7].decode()}-{FORMS[3].decode().rstrip('=')}")}
    project = echo_project(tmp_path / "p")
    told = say_nothing(bentopack("build", "--verbose", cwd=project, env=wrong), 5)
    assert f"an index refuses, or asks who is there: {index.url}" in told
    assert not (project / "bentofile.lock").exists()
    assert leaks(project) == leaks(home) == []


@pytest.mark.parametrize(
    "python",
    [
        "index_url: 'https://bob:{word}@host.example/simple'",
        "extra_index_url: 'ftp://bob:{word}@host.example/simple'",
        "find_links: 'https://bob:{word}@host.example/links x'",
        "packages: ['thing @ https://bob:{word}@host.example/thing.whl']",
        "pip_args: '--proxy http://bob:{word}@host.example'",
        "index_url: 'https://ghp1{word}{word}@host.example/simple'",
    ],
)
def test_a_password_in_the_bentofile_is_refused_unseen(home: Path, tmp_path: Path, python: str) -> None:
    """The bentofile goes into the Bento, so no password may stand in it; the message does not repeat it."""
    word = "hunter2c0ffee"
    text = f"service: service:Echo\npython: {{{python.format(word=word)}}}\n"
    project = echo_project(tmp_path / "p", bentofile__yaml=text)
    done = bentopack("build", "--verbose", cwd=project)
    assert done.returncode == 3, done.stderr
    assert word not in done.stderr + done.stdout
    assert "password" in done.stderr and "bentofile.yaml:2" in done.stderr
    assert not list(home.rglob("*.bento")) and not (project / "bentofile.lock").exists()


def test_a_password_in_a_requirements_file_does_not_go_along(home: Path, tmp_path: Path, index: LocalIndex) -> None:
    """A requirements file with a password is refused where it would be packed, and used where it is excluded."""
    text = "service: service:Echo\npython: {requirements_txt: reqs.txt}\n"
    project = echo_project(tmp_path / "p", bentofile__yaml=text)
    (project / "reqs.txt").write_text(f"--index-url {index.url_with(USER)}\nthing\n")
    told = say_nothing(bentopack("build", cwd=project), 5)
    assert "reqs.txt: a password in an address would end up in the Bento" in told
    assert not (project / "bentofile.lock").exists()
    (project / ".bentoignore").write_text("reqs.txt\n")
    say_nothing(bentopack("build", "--verbose", cwd=project))
    (project / "reqs.txt").unlink()
    assert leaks(project) == leaks(home) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a Bento's wheels are linked on POSIX")
def test_an_index_that_fails_is_one_error(home: Path, tmp_path: Path, fresh_machine: Path) -> None:
    """``build`` exits with 5 and says what the index answered; the project and the store are as they were."""
    with serving_index(status=500) as index:
        text = f"service: service:Echo\npython: {{index_url: '{index.url}'}}\n"
        project = echo_project(tmp_path / "p", bentofile__yaml=text)
        done = bentopack("build", cwd=project, env={"UV_HTTP_RETRIES": "0"})
    assert f"error: the requirements cannot be resolved: an index fails: {index.url}" in say_nothing(done, 5)
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert sorted(path.name for path in project.iterdir()) == ["bentofile.yaml", "service.py"]
