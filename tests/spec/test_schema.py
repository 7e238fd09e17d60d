"""The JSON Schema and the example follow the types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from bentopack.errors import SpecError
from bentopack.spec.load import load_spec
from bentopack.spec.scalars import plain
from bentopack.spec.schema import main, schema, schema_path, schema_text
from bentopack.spec.unsupported import REFUSED
from bentopack.spec.yaml_source import read_yaml
from tests.spec.test_corpus import CORPUS

EXAMPLE = Path(__file__).parents[2] / "bentofile.example.yaml"
VALIDATOR = jsonschema.Draft202012Validator(schema())


def _keys(section: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from section["properties"].items()
    for inner in section.get("$defs", {}).values():
        yield from _keys(inner)


def test_the_file_is_what_the_types_give() -> None:
    """The schema never drifts from the types; ``make schema`` renews it."""
    assert schema_path().read_text(encoding="utf-8") == schema_text()
    assert main(["--check"]) == 0


def test_is_a_schema_and_every_key_is_described() -> None:
    """An editor can show what each key means."""
    jsonschema.Draft202012Validator.check_schema(schema())
    assert all(value.get("description") for _, value in _keys(schema()))
    assert schema()["$schema"].endswith("2020-12/schema")
    assert schema()["$id"]


def test_drift_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``--check`` fails on another text and says how to renew it; ``--write`` renews it."""
    monkeypatch.setattr("bentopack.spec.schema.resource_dir", lambda name: tmp_path)
    assert main(["--check"]) == 1
    assert "--write" in capsys.readouterr().err
    assert main(["--write"]) == 0
    assert main(["--check"]) == 0
    assert main([]) == 2


def test_the_example_fits_the_schema() -> None:
    """What the example shows is accepted by an editor."""
    VALIDATOR.validate(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")))


def test_the_example_loads(tmp_path: Path) -> None:
    """What the example shows is accepted by bentopack too, once the files it names are there."""
    for name in ("requirements.txt", "wheels/petals-1.0-py3-none-any.whl", "scripts/setup.sh", "Dockerfile.template"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "bentofile.yaml").write_bytes(EXAMPLE.read_bytes())
    assert load_spec(tmp_path).spec.name == "iris"


def test_the_example_shows_every_key() -> None:
    """Every key of the types is in the example; one that is refused, or stands instead of others, is commented out."""
    text = EXAMPLE.read_text(encoding="utf-8")
    refused = {row.path[-1] for row in REFUSED} | {"environment_yml", "lockfile"}
    for key, _ in _keys(schema()):
        commented = f"# {key}:" in text or f"#   {key}:" in text
        shown = any(line.lstrip(" -").startswith(f"{key}:") for line in text.splitlines())
        assert shown or (key in refused and commented), key


def test_the_example_points_editors_at_the_schema() -> None:
    """An editor that reads the first line finds the schema in the checkout."""
    first = EXAMPLE.read_text(encoding="utf-8").splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (EXAMPLE.parent / first.removeprefix(prefix)).resolve() == schema_path().resolve()


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_the_schema_accepts_what_loads(path: Path, project: Path) -> None:
    """The schema is never stricter than the loader: no editor marks a bentofile that works."""
    (project / "bentofile.yaml").write_bytes(path.read_bytes())
    try:
        load_spec(project)
    except SpecError:
        return
    VALIDATOR.validate(plain(read_yaml(path.read_text(encoding="utf-8"), path.name).data))
