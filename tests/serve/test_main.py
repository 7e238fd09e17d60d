"""``bentopack serve`` of the runtime alone, as the entrypoint of an image calls it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bentopack.cli.serving import typed
from bentopack.errors import ServeError
from bentopack.serve.command import parse
from bentopack.serve.settings import SETTINGS
from bentopack.serve.supervisor import environment, serve

# Where the command line of the whole bentopack is there too, it would be the one that is run.
RUNTIME = [sys.executable, "-c", "from bentopack.serve.command import main; main()"]

MANIFEST = """
format: 1
name: hello
service: {target: "service:Hello", kind: service, name: hello, workers: 1}
models:
- {name: numbers, version: v1, digest: "sha256:0", framework: picklable, spellings: ["numbers:latest"]}
python: "3.11"
runtime: env/runtime/none.whl
variants: {}
"""

SOURCE = """
import os, sys
from pathlib import Path
import bentopack

@bentopack.service
class Hello:
    @bentopack.api
    def where(self) -> dict:
        return {"folder": os.getcwd(), "pid": os.getpid(), "numpy": "numpy" in sys.modules}

with open(os.environ["IMPORTED"], "a") as file:
    file.write(f"{os.getpid()} ")
"""


@pytest.fixture
def bento(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Bento directory, as far as serving looks at it."""
    folder = tmp_path / "bento"
    (folder / "src").mkdir(parents=True)
    (folder / "bento.yaml").write_text(MANIFEST)
    (folder / "src" / "service.py").write_text(SOURCE)
    monkeypatch.setenv("IMPORTED", str(tmp_path / "imported"))
    return folder


def test_bento_directory_is_served(bento: Path, tmp_path: Path) -> None:
    """A Bento is served from its src folder; only the worker imports it, and nothing imports numpy unasked."""
    command = [*RUNTIME, "serve", str(bento), "--host", "127.0.0.1"]
    process = subprocess.Popen(command, env={**os.environ, "PORT": "0"}, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = re.search(r"Serving hello on (\S+) \(1 API, docs at /docs\)", process.stderr.readline())
        assert found
        answer = httpx.post(f"{found[1]}/where").json()
        assert answer["folder"] == str(bento / "src")
        assert answer["numpy"] is False
        assert (tmp_path / "imported").read_text().split() == [str(answer["pid"])]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_options_and_port_variable(bento: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image sets ``$PORT``; an option goes before it; models are found in the Bento by every spelling."""
    monkeypatch.setenv("PORT", "4000")
    config = parse(["serve", str(bento)])
    assert (config.host, config.port, config.workers) == ("0.0.0.0", 4000, None)
    assert set(config.models) == {"numbers:latest", "numbers:v1"}
    assert parse(["serve", str(bento), "--port", "5000", "--workers", "3"]).port == 5000


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--workers", "-1"], "--workers: expected a whole number from 1, found -1"),
        (["--front-ends", "0"], "--front-ends: expected a whole number from 1, found 0"),
        (["--port", "99999"], "--port: expected a number from 0 to 65535, found 99999"),
        (["--timeout", "0"], "--timeout: expected seconds above 0, found 0.0"),
        (["--timeout", "nan"], "--timeout"),
        (["--grace", "inf"], "--grace"),
    ],
)
def test_settings_that_cannot_be(bento: Path, option: list[str], words: str) -> None:
    """A setting out of its range is refused before anything starts, by the option's name."""
    with pytest.raises(ServeError, match=words):
        serve(parse(["serve", str(bento), *option]))


def test_reload_needs_what_watches(bento: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Bento's own environment cannot watch files; that is said, with what to do."""
    monkeypatch.setattr("bentopack.serve.supervisor.find_spec", lambda name: None)
    with pytest.raises(ServeError, match="watchfiles is not installed"):
        serve(parse(["serve", str(bento), "--reload"]))


def test_port_variable_that_is_no_number(bento: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong ``$PORT`` is named, unless an option goes before it; the health check says so too."""
    monkeypatch.setenv("PORT", "abc")
    with pytest.raises(ServeError, match=r"\$PORT: expected a whole number, found 'abc'"):
        parse(["serve", str(bento)])
    assert parse(["serve", str(bento), "--port", "1"]).port == 1
    command = [sys.executable, "-m", "bentopack.serve.healthcheck"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "$PORT" in done.stderr


def test_variables_of_the_manifest(bento: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest's variables are set, the real environment goes before them, and one without a value is needed."""
    with (bento / "bento.yaml").open("a") as file:
        file.write('envs: {GIVEN: "bento", TAKEN: "bento", NEEDED: ""}\n')
    monkeypatch.setenv("TAKEN", "real")
    config = parse(["serve", str(bento)])
    assert config.required_envs == ("NEEDED",)
    found = environment(config, "/somewhere/bentopack-1")
    assert (found["GIVEN"], found["TAKEN"], "NEEDED" in found) == ("bento", "real", False)


@pytest.mark.parametrize(("what", "code", "words"), [("no-bento", 4, "is not a Bento"), ("no-service", 8, "no module")])
def test_errors_are_messages_with_their_exit_code(bento: Path, what: str, code: int, words: str) -> None:
    """What cannot be served ends with one message and the documented exit code, without our own traceback."""
    (bento / ("bento.yaml" if what == "no-bento" else "src/service.py")).unlink()
    command = [*RUNTIME, "serve", str(bento), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_come_from_the_environment(bento: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command line leaves out the environment may say; the command line goes before it."""
    for name, value in (("MAX_BODY", "7"), ("TIMEOUT", "1.5"), ("ACCESS_LOG", "false"), ("WORKERS", "3")):
        monkeypatch.setenv(f"BENTOPACK_{name}", value)
    config = parse(["serve", str(bento), "--workers", "2"])
    assert (config.max_body, config.timeout, config.access_log, config.workers) == (7, 1.5, False, 2)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("BENTOPACK_WORKERS", "many", "a whole number"),
        ("BENTOPACK_GRACE", "long", "a number"),
        ("BENTOPACK_RELOAD", "perhaps", "true or false"),
    ],
)
def test_a_variable_that_cannot_be_is_named(
    bento: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    """A wrong value is told with the variable's name."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ServeError, match=rf"\${name}: expected {expected}, found '{value}'"):
        parse(["serve", str(bento)])


def test_a_path_is_taken_from_where_it_was_given(bento: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes of a service work elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENTOPACK_SSL_KEYFILE", "key.pem")
    config = parse(["serve", str(bento), "--ssl-certfile", "certificate.pem"])
    assert (config.ssl_certfile, config.ssl_keyfile) == (str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem"))


def test_each_setting_goes_on_to_the_runtime_of_a_bento(bento: Path) -> None:
    """What ``run`` was told is typed to the runtime of a Bento's own environment so that it understands the same."""
    paths = {"ssl_certfile": "/certificate.pem", "ssl_keyfile": "/key.pem"}
    other = {"host": "::1", "access_log": False, "reload": True, **paths}
    told = {each.name: each.kind(7) for each in SETTINGS if each.name not in other} | other
    config = parse(["serve", str(bento), *typed(told)])
    assert {name: getattr(config, name) for name in told} == told
