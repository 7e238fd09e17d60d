"""The licence that a project's pyproject.toml names."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentopack.spec.licence import project_licence


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ('[project]\nlicense = "apache-2.0 or mit"\n', "Apache-2.0 OR MIT"),
        ('[project]\nlicense = {text = "MIT"}\n', None),
        ('[project]\nlicense = "our own"\n', None),
        ("[project]\n", None),
        ("project = 3\n", None),
        ("[project\n", None),
        (None, None),
    ],
)
def test_the_expression_or_nothing(tmp_path: Path, text: str | None, licence: str | None) -> None:
    """An SPDX expression is told in its one spelling; what is none is no problem of a build."""
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    assert project_licence(tmp_path) == licence
