"""Pushing with the command that built an image."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bentopack.image.builder import Builder, of_podman
from bentopack.image.podman import Podman, find_podman
from bentopack.image.push import push_image
from bentopack.oci.blobs import Blobs
from bentopack.oci.layout import write_archive
from bentopack.oci.trust import Trust
from tests.conftest import missing
from tests.doubles import Recorder
from tests.integration.bases import idle_base
from tests.integration.conftest import serving_registry


def noting_podman(folder: Path) -> Builder:
    """Podman as far as a push goes: it notes what it is told, and what is in the folder of certificates."""
    script = folder / "podman"
    script.write_text(f"""#!/bin/sh
echo "$@" > {folder}/told
while [ $# -gt 0 ]; do
    case "$1" in --digestfile) echo sha256:1 > "$2";; --cert-dir) cat "$2"/*.crt > {folder}/trusted;; esac
    shift
done
""")
    script.chmod(0o755)
    return of_podman(Podman("podman", str(script), "5"))


@pytest.mark.parametrize(
    ("name", "plain"), [("127.0.0.1:5000/a:1", True), ("inside.example/a:1", True), ("registry.example/a:1", False)]
)
def test_podman_trusts_whom_we_trust(name: str, plain: bool, tmp_path: Path) -> None:
    """No TLS for this machine and for who is named so, and certificates of the user's own."""
    (tmp_path / "ca.pem").write_text("a certificate")
    trust = Trust(tmp_path / "ca.pem", ("inside.example",))
    assert push_image(noting_podman(tmp_path), name, trust=trust, environ=os.environ, reporter=Recorder()) == "sha256:1"
    told = (tmp_path / "told").read_text()
    assert ("--tls-verify=false" in told, told.split()[-1]) == (plain, name)
    assert (tmp_path / "trusted").read_text() == "a certificate"


@pytest.mark.engine
@pytest.mark.parametrize("kind", ["podman", "buildah"])
def test_a_registry_of_this_machine_is_pushed_to_without_tls(kind: str, tmp_path: Path) -> None:
    """As our own pushes are; nobody has to configure podman for it."""
    if shutil.which(kind) is None:
        missing(f"there is no {kind} on PATH (Debian: apt-get install {kind})")
    builder = of_podman(find_podman(os.environ["PATH"], [kind]))
    with serving_registry(tmp_path) as registry:
        name, archive = f"{registry}/team/idle:1", tmp_path / "a.tar"
        with archive.open("wb") as file:
            write_archive(idle_base(Blobs(tmp_path / "blobs"), "linux/amd64"), file, [name])
        subprocess.run([kind, "pull", f"docker-archive:{archive}"], check=True, capture_output=True)
        try:
            pushed = push_image(builder, name, trust=Trust(), environ=os.environ, reporter=Recorder())
            assert str(pushed).startswith("sha256:")
        finally:
            subprocess.run([kind, "rmi", "--force", name], check=False, capture_output=True)
