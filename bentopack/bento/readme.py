"""The Bento's README.md: what it is, its APIs, how to run it."""

from __future__ import annotations

from pathlib import Path

import bentopack
from bentopack._memo import remembered
from bentopack._resources import resource_dir
from bentopack.spec.manifest import Manifest, to_yaml

_NAME = "README.md"


def readme(manifest: Manifest) -> bytes:
    """Render the README from ``templates/bento``."""
    folder = resource_dir("templates") / "bento"
    made = remembered(
        "readme",
        [to_yaml(manifest), bentopack.__version__],
        lambda: {_NAME: _rendered(manifest, folder)},
        files=folder.glob("*.j2"),
    )
    return made[_NAME]


def _rendered(manifest: Manifest, folder: Path) -> bytes:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, read as text
    )
    return environment.get_template("README.md.j2").render(manifest=manifest, version=bentopack.__version__).encode()
