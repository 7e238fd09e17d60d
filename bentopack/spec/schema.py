"""The bentofile's JSON Schema, made of its types, for editors and other tools.

``python -m bentopack.spec.schema --write`` writes ``schemas/bentofile.schema.json``; ``--check`` fails where the file
is not what the types give.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from bentopack._fs import write_atomic
from bentopack._resources import resource_dir
from bentopack.spec.bentofile import Spec

_HEAD = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:bentopack:schema:bentofile",
    "title": "bentofile.yaml",
}


class _Generator(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of names: they say nothing that the key does not."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        result = super().dict_schema(schema)
        return result | {"additionalProperties": False} if "patternProperties" in result else result


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a bentofile."""
    made = Spec.model_json_schema(schema_generator=_Generator)
    for section in (made, *made["$defs"].values()):
        section.pop("title", None)
        required = section.get("required", ())
        section["properties"] = {
            key: value if key in required else _or_nothing(value) for key, value in section["properties"].items()
        }
    return _HEAD | made


def _or_nothing(value: dict[str, Any]) -> dict[str, Any]:
    """Allow a key without a value, as the loader does."""
    described = {key: value[key] for key in ("description", "default") if value.get(key) is not None}
    kinds = {key: part for key, part in value.items() if key not in ("description", "default")}
    choices = kinds["anyOf"] if set(kinds) == {"anyOf"} else [kinds]
    return described | {"anyOf": [*(each for each in choices if each != {"type": "null"}), {"type": "null"}]}


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema_path() -> Path:
    """Where the schema lies, in a checkout or an installation."""
    return resource_dir("schemas") / "bentofile.schema.json"


def main(arguments: list[str]) -> int:
    """Write the schema, or check that it is up to date; returns the exit code."""
    path = schema_path()
    if arguments == ["--write"]:
        write_atomic(path, schema_text())
        return 0
    if arguments == ["--check"]:
        if path.is_file() and path.read_text(encoding="utf-8") == schema_text():
            return 0
        sys.stderr.write(f"{path} is not what the types give; run python -m {__spec__.name} --write\n")
        return 1
    sys.stderr.write(f"usage: python -m {__spec__.name} --write|--check\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
