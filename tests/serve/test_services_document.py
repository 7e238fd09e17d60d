"""docs/services.md: its example works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from bentopack.serve.config import ServeConfig
from bentopack.serve.declare import ApiOptions
from tests.serve.conftest import Start

TEXT = (Path(__file__).parents[2] / "docs" / "services.md").read_text()


def test_example_answers_what_it_says(start: Start) -> None:
    """The service in the document can be copied, and its request gets the answer that is printed there."""
    found = re.search(r"```python\n(.*?)```.*?curl localhost:3000(\S+) .*? -d '(.*?)'\n +(.*?)\n", TEXT, re.DOTALL)
    assert found
    source, path, body, answer = found.groups()
    running = start(source.replace("class Plane", "class Service"))
    headers = {"content-type": "application/json"}
    assert running.client.post(path, content=body, headers=headers).text == answer
    assert running.json("/v1/name", {"language": "de"}).text == "Ebene"
    assert running.json("/v1/name", {"language": "xx"}).json() == {"error": "no name in 'xx'", "field": "language"}


def test_every_option_is_named() -> None:
    """The tables have each option of ``@api`` and each setting of the command."""
    for name in ApiOptions.__dataclass_fields__:
        assert f"| `{name}` |" in TEXT
    for name in ServeConfig.__struct_fields__:
        option = {"access_log": "--no-access-log"}.get(name, f"--{name.replace('_', '-')}")
        assert f"| `{option}` |" in TEXT or name in ("service", "source", "models", "envs", "required_envs")
