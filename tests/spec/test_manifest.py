"""The manifest's one form."""

from __future__ import annotations

from pathlib import Path

from bentopack.spec.manifest import MANIFEST_NAME, ImageInfo, Manifest, ServiceInfo, read_manifest, to_yaml


def test_equal_manifests_have_equal_bytes(tmp_path: Path) -> None:
    """What is equal to its default is left out, whichever object it is: a Python may have many empty tuples."""
    service = ServiceInfo(target="service:Echo", kind="service", name="echo", workers=None)
    made = Manifest(
        format=1,
        name="echo",
        service=service,
        python="3.11",
        runtime="env/runtime/x.whl",
        variants={},
        image=ImageInfo(distro="".join(["deb", "ian"])),
    )
    (tmp_path / MANIFEST_NAME).write_bytes(to_yaml(made))
    read = read_manifest(tmp_path)
    assert read == made
    assert to_yaml(read) == to_yaml(made)
    assert b"image" not in to_yaml(made)
    assert b"workers: null" in to_yaml(made)
