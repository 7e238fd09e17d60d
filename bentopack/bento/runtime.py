"""The serving runtime as a wheel, cut from this very installation: a Bento needs no bentopack from an index.

The wheel holds the rooms that serve, and none that build. Its bytes follow from their source alone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path

import bentopack
from bentopack._fs import zip_entry

# The third-party packages that the serving rooms import, with the ranges of pyproject.toml (a test compares them).
REQUIRES = (
    "a2wsgi>=1.10,<2",
    "httptools>=0.6.1,<1",
    "msgspec>=0.19,<1",
    "prometheus-client>=0.20,<1",
    "pyyaml>=6.0.1,<7",
    "starlette>=0.40,<2",
    "uvicorn>=0.30,<1",
    "uvloop>=0.19,<1; sys_platform != 'win32' and platform_python_implementation == 'CPython'",
)
_FILES = (
    "*.py",
    "py.typed",
    "spec/__init__.py",
    "spec/manifest.py",
    "spec/defaults.py",
    "models/*.py",
    "serve/*.py",
    "serve/*.html",
)


def runtime_name() -> str:
    """The wheel's file name."""
    return f"bentopack-{bentopack.__version__}-py3-none-any.whl"


def write_runtime(folder: Path) -> Path:
    """Write the wheel into ``folder`` and return its path."""
    path = folder / runtime_name()
    path.write_bytes(runtime_wheel())
    return path


def runtime_wheel() -> bytes:
    """Return the wheel: stored files in a fixed order with a fixed time, so the same source gives the same bytes."""
    info = f"bentopack-{bentopack.__version__}.dist-info"
    members = _sources()
    members[f"{info}/METADATA"] = _metadata().encode()
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: bentopack\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members[f"{info}/entry_points.txt"] = b"[console_scripts]\nbentopack = bentopack.serve.command:main\n"
    record = [f"{name},sha256={_record_hash(data)},{len(data)}" for name, data in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as wheel:
        for name, data in members.items():
            wheel.writestr(zip_entry(name), data)
    return target.getvalue()


def _sources() -> dict[str, bytes]:
    root = Path(bentopack.__file__).parent
    found = {path for pattern in _FILES for path in root.glob(pattern) if path.is_file() and path.suffix != ".pyc"}
    return {f"bentopack/{path.relative_to(root).as_posix()}": path.read_bytes() for path in sorted(found)}


def _metadata() -> str:
    lines = [
        "Metadata-Version: 2.1",
        "Name: bentopack",
        f"Version: {bentopack.__version__}",
        "Summary: The serving runtime of bentopack, as bundled in a Bento.",
        "License: Apache-2.0",
        "Requires-Python: >=3.10",
        *(f"Requires-Dist: {each}" for each in REQUIRES),
        "",
    ]
    return "\n".join(lines)


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
