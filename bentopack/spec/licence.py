"""The licence of a project, where its pyproject.toml names one."""

from __future__ import annotations

from pathlib import Path

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from bentopack.errors import SpecError
from bentopack.spec.toml_source import read_toml


def project_licence(project: Path) -> str | None:
    """Return the SPDX expression of ``[project].license`` (PEP 639), or None where there is none.

    A file that is not as it should be is its own tools' matter: it names no licence then.
    """
    path = project / "pyproject.toml"
    if not path.is_file():
        return None
    try:
        table = read_toml(path.read_text("utf-8-sig"), path.name).get("project")
        named = table.get("license") if isinstance(table, dict) else None
        return canonicalize_license_expression(named) if isinstance(named, str) else None
    except (OSError, UnicodeDecodeError, SpecError, InvalidLicenseExpression):
        return None
