"""Makes the least that pip takes for a wheel."""

from __future__ import annotations

import zipfile
from pathlib import Path


def write_wheel(path: Path, name: str, version: str, metadata: str = "") -> Path:
    """Write a wheel of a distribution with nothing in it and return its path; ``metadata`` is added to its own."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{each},,\n" for each in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for each, text in files.items():
            wheel.writestr(zipfile.ZipInfo(each), text)
    return path
