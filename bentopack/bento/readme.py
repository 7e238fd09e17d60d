"""The Bento's README.md: what it is, its APIs, how to run it."""

from __future__ import annotations

import bentopack
from bentopack._resources import resource_dir
from bentopack.spec.manifest import Manifest


def readme(manifest: Manifest) -> bytes:
    """Render the README from ``templates/bento``."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(resource_dir("templates") / "bento"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, read as text
    )
    return environment.get_template("README.md.j2").render(manifest=manifest, version=bentopack.__version__).encode()
