"""Names of images."""

from __future__ import annotations

import pytest

from bentopack.errors import UsageError
from bentopack.oci.reference import in_repository, parse_reference

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


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "repository"),
        ("@", "repository"),
        (":", "repository"),
        ("iris:", "tag"),
        ("iris:bad tag", "tag"),
        ("ghcr.io/me/iris:-1", "tag"),
        (f"ghcr.io/me/iris:{'1' * 129}", "tag"),
        ("ghcr.io/Me/iris", "repository"),
        ("ghcr.io/../iris", "repository"),
        ("ghcr.io/me//iris", "repository"),
        ("ghcr.io/me/iris?x=1", "repository"),
        ("me@ghcr.io/iris", "digest"),
        ("ghcr.io:port/iris", "registry"),
        ("a b.example/iris", "registry"),
        ("ghcr.io/me/iris@sha256:0", "digest"),
        (f"ghcr.io/me/iris@{DIGEST}\n", "digest"),
        ("ghcr.io/me/iris@sha256:../../etc/passwd", "digest"),
        (f"ghcr.io/me/iris@md5:{'0' * 64}", "digest"),
        ("ghcr.io/me/iris@", "digest"),
    ],
)
def test_what_is_no_name_is_refused(text: str, part: str) -> None:
    """Each part has its form, and the message says which one has not; nothing else becomes a path of a request."""
    with pytest.raises(UsageError, match=f"is not a valid {part}"):
        parse_reference(text)


def test_tags_that_are_given_beside_a_repository_are_read_with_the_same_care() -> None:
    """Neither nothing nor a path is a tag."""
    assert in_repository("ghcr.io/me/iris", "1.0").tag == "1.0"
    for tag in ("", "bad tag", "../../../v2/victim/manifests/x"):
        with pytest.raises(UsageError, match="is not a valid tag"):
            in_repository("ghcr.io/me/iris", tag)
    with pytest.raises(UsageError, match="give the repository alone"):
        in_repository("ghcr.io/me/iris:1", "1.0")
