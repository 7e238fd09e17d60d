"""Names of images."""

from __future__ import annotations

import pytest

from bentopack.errors import UsageError
from bentopack.oci.reference import parse_reference

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("text", "told", "wanted"),
    [
        ("python", "registry-1.docker.io/library/python:latest", "latest"),
        ("python:3.11-slim", "registry-1.docker.io/library/python:3.11-slim", "3.11-slim"),
        ("docker.io/nvidia/cuda:12.4.1", "registry-1.docker.io/nvidia/cuda:12.4.1", "12.4.1"),
        ("team/iris", "registry-1.docker.io/team/iris:latest", "latest"),
        ("ghcr.io/me/iris:1", "ghcr.io/me/iris:1", "1"),
        ("localhost/iris", "localhost/iris:latest", "latest"),
        ("127.0.0.1:5000/iris", "127.0.0.1:5000/iris:latest", "latest"),
        (f"ghcr.io/me/iris@{DIGEST}", f"ghcr.io/me/iris@{DIGEST}", DIGEST),
        (f"ghcr.io:443/me/iris:1@{DIGEST}", f"ghcr.io:443/me/iris:1@{DIGEST}", DIGEST),
    ],
)
def test_as_docker_reads_them(text: str, told: str, wanted: str) -> None:
    """A name without a host is one of Docker Hub's; a digest wins over a tag."""
    reference = parse_reference(text)
    assert (str(reference), reference.wanted) == (told, wanted)


@pytest.mark.parametrize("digest", ["", "sha256:../../etc/passwd", f"sha256:{'0' * 63}", f"md5:{'0' * 64}", "latest"])
def test_a_digest_is_one(digest: str) -> None:
    """It becomes a file's name, so nothing else is taken for one."""
    with pytest.raises(UsageError, match="expected sha256: and 64 digits"):
        parse_reference(f"ghcr.io/me/iris@{digest}")
