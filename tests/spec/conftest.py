"""What the tests of this room share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with every file that the corpus refers to."""
    for name in (
        "README.md",
        "requirements.txt",
        "setup.sh",
        "Dockerfile.template",
        "production.env",
        "environment.yml",
        "wheels/tokenizer-1.0-py3-none-any.whl",
        "lib/other-2.0-py3-none-any.whl",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("MODE=fast\n")
    return tmp_path
