"""docs/services.md: its example works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from bentopack.serve.config import ServeConfig
from bentopack.serve.declare import ApiOptions
from bentopack.serve.settings import SETTINGS
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
    """The table has each option of ``@api``."""
    for name in ApiOptions.__dataclass_fields__:
        assert f"| `{name}` |" in TEXT


def test_the_settings_are_those_of_the_configuration() -> None:
    """Each field of the configuration that is not read from a Bento is a setting, and its default is what is said."""
    defaults = {each.name: each.default for each in msgspec.structs.fields(ServeConfig)}
    for name in ("service", "source", "models", "envs", "required_envs"):
        del defaults[name]
    assert {each.name for each in SETTINGS} == set(defaults)
    words: dict[object, str] = {True: "on", False: "off"}
    for each in SETTINGS:
        default = defaults[each.name]
        if default is None:
            assert not each.default[0].isdigit()
        else:
            assert (
                words[default] if each.kind is bool else f"{default:g}" if each.kind is float else str(default)
            ) in each.default
