"""``--secret``."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack.image.secrets import BadSecret, parse_secret, require_plain
from bentopack.image.validate import PlanError


def test_spelling_of_docker(tmp_path: Path) -> None:
    """The spelling is that of ``docker build``; the path is made absolute, as the client runs elsewhere."""
    file = tmp_path / "pip.conf"
    file.write_text("[global]")
    assert parse_secret(f"id=pip.conf,src={file}").option == f"id=pip.conf,src={file}"
    assert parse_secret(f"type=file,id=x,source={file}").source == file


@pytest.mark.parametrize("text", ["pip.conf", "id=x,env=TOKEN", "id=x,src=/nowhere/at/all"])
def test_unusable(text: str) -> None:
    """A form that is not known, or a file that is not there, is told before the build."""
    with pytest.raises(BadSecret, match="--secret"):
        parse_secret(text)


def test_a_secret_typed_by_mistake_is_not_shown() -> None:
    """Who writes the secret itself finds it in no log."""
    with pytest.raises(BadSecret) as caught:
        parse_secret("INDEX_TOKEN=hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_path_that_no_builder_takes(tmp_path: Path) -> None:
    """Builders part what they are told at commas."""
    bundle = tmp_path / "a,b.pem"
    bundle.touch()
    with pytest.raises(BadSecret, match="comma"):
        require_plain(bundle, "--ca-bundle")


def test_id_is_a_file_name(tmp_path: Path) -> None:
    """An id cannot lead to another place in the build container."""
    with pytest.raises(PlanError, match="id of a secret"):
        parse_secret(f"id=../x,src={tmp_path}")
