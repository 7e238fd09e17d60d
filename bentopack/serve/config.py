"""What the supervisor is told, as one value that also crosses to the processes it starts (as JSON)."""

from __future__ import annotations

from collections.abc import Mapping
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
    envs: dict[str, str] = {}
    """Environment variables of the service; a variable that is set already keeps its value."""
    required_envs: tuple[str, ...] = ()
    """Variables whose value the deployment gives; one that is missing is warned of."""
    host: str = "127.0.0.1"
    port: int = 3000
    """0 takes any free port; the line that is logged when the service is ready names it."""
    ssl_certfile: str | None = None
    """The certificate to serve HTTPS with, in PEM form, which others of its chain may follow; None is plain HTTP."""
    ssl_keyfile: str | None = None
    """Its private key; None where that is in the certificate's own file."""
    workers: int | None = None
    """Worker processes (front ends for a plain application); None takes what the service says."""
    front_ends: int = 1
    """Processes that speak HTTP in front of the workers; one carries far more than one model can answer."""
    reload: bool = False
    timeout: float | None = None
    """A request that takes longer is answered 504; None takes what the service says, or 60."""
    max_requests: int | None = None
    """Requests after which a worker is replaced, give or take a tenth; None is never."""
    watchdog: float | None = None
    """Seconds that a worker may be in one call before it is taken to hang and replaced; None is twice the timeout."""
    max_concurrency: int | None = None
    """Requests that one front end has under way at once; None takes what the service says."""
    max_held: int | None = None
    """Bytes of bodies that one front end holds at once; None goes by the memory that there is."""
    max_body: int = 64 << 20
    grace: float = 8.0
    """How long accepted requests have to end after SIGTERM or Ctrl-C; engines send SIGKILL after 10 s."""
    in_process: bool = False
    """Serve in one process, as on Windows always."""
    inline: bool = False
    """Call the service in the processes that speak HTTP; there are as many of them as ``workers`` says."""
    access_log: bool = True
    """Log one line a request."""

    @property
    def speaks_tls(self) -> bool:
        """Whether clients are answered by HTTPS alone."""
        return self.ssl_certfile is not None


def patience_of(config: ServeConfig) -> float:
    """Return how many seconds a process has, when its successor is there, to answer what it has accepted."""
    timeout = config.timeout or config.service.traffic.get("timeout") or 60.0
    return max(config.grace, float(timeout))


def config_of_bento(bento: Path) -> ServeConfig:
    """Read how to serve a Bento directory, with the host and port still at their defaults."""
    manifest = read_manifest(bento)
    return config_of(manifest.service, bento / "src", models_of(manifest, bento), manifest.envs)


def config_of(service: ServiceInfo, source: Path, models: dict[str, str], envs: Mapping[str, str]) -> ServeConfig:
    """Settings at their defaults for a service; a variable of ``envs`` without a value has to be given from outside."""
    return ServeConfig(
        service=service,
        source=str(source.resolve()),
        models=models,
        envs={name: value for name, value in envs.items() if value},
        required_envs=tuple(sorted(name for name, value in envs.items() if not value)),
    )


def models_of(manifest: Manifest, bento: Path) -> dict[str, str]:
    """Map each spelling of a model's tag (as declared, in full, its alias) to its folder in the Bento."""
    found: dict[str, str] = {}
    for model in manifest.models:
        folder = str((bento / model.path).resolve())
        found.update(dict.fromkeys((model.tag, *model.spellings), folder))
    return found
