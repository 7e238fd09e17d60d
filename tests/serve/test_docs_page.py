"""The script of the /docs page, run by node where it is installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import bentopack.serve

PAGE = Path(bentopack.serve.__file__).with_name("docs.html").read_text()
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def _call(function: str, *arguments: Any) -> Any:
    functions = re.findall(r"^function (?:pretty|example)\(.*?^}", PAGE, re.DOTALL | re.MULTILINE)
    call = f"{function}({', '.join(map(json.dumps, arguments))})"
    script = "\n".join(["const components = {};", *functions, f"console.log(JSON.stringify({call}))"])
    done = subprocess.run([str(NODE), "-e", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("text", ['{"n":9007199254740993}', "[1.5,-9223372036854775808]"])
def test_large_integers_are_shown_as_sent(text: str) -> None:
    """An integer that JavaScript would round is shown as the service wrote it."""
    assert _call("pretty", text) == text


def test_other_answers_are_pretty() -> None:
    """Long digits inside a string are no number, and do not matter."""
    assert _call("pretty", '{"id":"9007199254740993","n":1}') == '{\n "id": "9007199254740993",\n "n": 1\n}'


def test_form_keeps_defaults() -> None:
    """The example holds each default as it is, and leaves out what is optional without a known default."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number", "default": 0.5}, "c": {"type": "integer"}},
        "required": ["a"],
    }
    assert _call("example", schema) == {"a": 0, "b": 0.5}
