"""What the supervisor is told, as one value that also crosses to the processes it starts (as JSON)."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bentopack.spec.manifest import Manifest, ServiceInfo, read_manifest


class ServeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one running service. Paths are absolute; times are in seconds, sizes in bytes."""

    service: ServiceInfo
    source: str
    """The folder to import the service from, and the working directory of the processes."""
    models: dict[str, str] = {}
    """Folder of each declared model, by every spelling of its tag that the code may use, and by its alias."""
    host: str = "127.0.0.1"
    port: int = 3000
    """0 takes any free port; the line that is logged when the service is ready names it."""
    workers: int | None = None
    """Worker processes (front ends for a plain application); None takes what the service says."""
    front_ends: int = 1
    """Processes that speak HTTP in front of the workers; one carries far more than one model can answer."""
    reload: bool = False
    timeout: float | None = None
    """A request that takes longer is answered 504; None takes what the service says, or 60."""
    max_body: int = 64 << 20
    grace: float = 8.0
    """How long accepted requests have to end after SIGTERM or Ctrl-C; engines send SIGKILL after 10 s."""
    access_log: bool = True
    """Log one line a request."""


def config_of_bento(bento: Path) -> ServeConfig:
    """Read how to serve a Bento directory, with the host and port still at their defaults."""
    manifest = read_manifest(bento)
    return ServeConfig(
        service=manifest.service,
        source=str((bento / "src").resolve()),
        models=models_of(manifest, bento),
    )


def models_of(manifest: Manifest, bento: Path) -> dict[str, str]:
    """Map each spelling of a model's tag (as declared, in full, its alias) to its folder in the Bento."""
    found: dict[str, str] = {}
    for model in manifest.models:
        folder = str((bento / model.path).resolve())
        found.update({spelling: folder for spelling in (model.tag, *model.spellings)})
    return found
