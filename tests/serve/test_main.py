"""``python -m bentopack.serve``, as the entrypoint of an image calls it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bentopack.serve.__main__ import parse

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
    command = [sys.executable, "-m", "bentopack.serve", "--bento", str(bento), "--host", "127.0.0.1"]
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
    config = parse(["--bento", str(bento)])
    assert (config.host, config.port, config.workers) == ("0.0.0.0", 4000, None)
    assert set(config.models) == {"numbers:latest", "numbers:v1"}
    assert parse(["--bento", str(bento), "--port", "5000", "--workers", "3"]).port == 5000


@pytest.mark.parametrize(("what", "code", "words"), [("no-bento", 4, "is not a Bento"), ("no-service", 8, "no module")])
def test_errors_are_messages_with_their_exit_code(bento: Path, what: str, code: int, words: str) -> None:
    """What cannot be served ends with one message and the documented exit code, without our own traceback."""
    (bento / ("bento.yaml" if what == "no-bento" else "src/service.py")).unlink()
    command = [sys.executable, "-m", "bentopack.serve", "--bento", str(bento), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
