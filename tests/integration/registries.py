"""What tests do with a real registry: push to it, and look at what it has or put something there, past the client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from tests.command import done

BASE = "base.example/idle:1"
"""What the layout of ``bases`` is called: where the project's own base is pinned, that is another one."""
ACCEPTED = {"Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"}


def pushed(project: Path, image: str, bases: Path, *options: str | Path) -> dict[str, Any]:
    """Compile an image of the project and push it, and return what is told of it."""
    base = () if "--base-image" in options else ("--base-image", BASE)
    goal = ("containerize", "--push", "-t", image, "--base-from", bases, "-o", "json")
    told = done(*goal, *base, *options, cwd=project)
    return dict(json.loads(told))


def get(registry: str, path: str) -> dict[str, Any]:
    answer = httpx.get(f"http://{registry}/v2/{path}", headers=ACCEPTED)
    assert answer.status_code == 200, answer.text
    return dict(json.loads(answer.content))


def put(registry: str, path: str, manifest: Any, media_type: str | None = None) -> None:
    """Put a manifest there as it is."""
    told = media_type or manifest.get("mediaType", "application/vnd.oci.image.index.v1+json")
    answer = httpx.put(f"http://{registry}/v2/{path}", content=json.dumps(manifest), headers={"Content-Type": told})
    assert answer.status_code == 201, answer.text


def damage(folder: Path, digest: str) -> None:
    """Change a byte of a blob on the disk of the registry that keeps its content in a test's folder."""
    name = digest.partition(":")[2]
    blob = folder / "registry/docker/registry/v2/blobs/sha256" / name[:2] / name / "data"
    content = bytearray(blob.read_bytes())
    content[-40] ^= 1
    blob.write_bytes(content)
