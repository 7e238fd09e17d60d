"""The smallest project: a service that answers what it was sent."""

from __future__ import annotations

from pathlib import Path

from tests.doubles import write_files

ECHO = {
    "bentofile.yaml": "service: service:Echo\ninclude: [service.py]\n",
    "service.py": (
        "import bentopack\n\n\n"
        "@bentopack.service\n"
        "class Echo:\n"
        "    @bentopack.api\n"
        "    def echo(self, text: str) -> str:\n"
        "        return text\n"
    ),
}


def echo_project(folder: Path, **changed: str) -> Path:
    """A service that answers what it was sent; ``changed`` replaces or adds files (``__`` in a name means a dot)."""
    extra = {name.replace("__", "."): text for name, text in changed.items()}
    return write_files(folder, {**ECHO, **extra})
