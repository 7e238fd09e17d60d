"""The container engine, by its API: is it there, may this user talk to it, what does it know of an image."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from bentopack.errors import EngineError, NotFound

if TYPE_CHECKING:
    from docker import DockerClient

# For any one answer; a build is not asked for here.
_SECONDS = 30


@dataclass(frozen=True)
class ImageFacts:
    """What the engine says of an image. ``digest`` is its manifest's, which only a registry or containerd gives it.

    ``size`` is in bytes, with the base's, where the builder tells; ``platform`` is such as ``linux/amd64``.
    """

    id: str
    digest: str | None
    tags: tuple[str, ...]
    size: int | None
    platform: str | None = None


@dataclass(frozen=True)
class Engine:
    """An engine that answered. ``endpoint`` is its address, ``version`` its own."""

    client: DockerClient
    endpoint: str
    version: str

    def inspect(self, reference: str) -> ImageFacts:
        """Look an image up by tag or id.

        Raises:
            NotFound: the engine has no such image.
        """
        from docker.errors import ImageNotFound

        try:
            attributes = self.client.images.get(reference).attrs
        except ImageNotFound:
            raise NotFound(f"the engine has no image {reference}") from None
        digests = attributes.get("RepoDigests") or []
        return ImageFacts(
            id=attributes["Id"],
            digest=digests[0].rpartition("@")[2] if digests else None,
            tags=tuple(attributes.get("RepoTags") or ()),
            size=attributes["Size"],
            platform="/".join(filter(None, (attributes.get("Os"), attributes.get("Architecture")))) or None,
        )

    def keeps_images_in_containerd(self) -> bool:
        """Whether BuildKit itself exports images here, with all that it knows.

        Source: https://docs.docker.com/engine/storage/containerd/.
        """
        status = self.client.info().get("DriverStatus") or []
        return ["driver-type", "io.containerd.snapshotter.v1"] in [list(each) for each in status]

    def layers(self, reference: str) -> tuple[str, ...]:
        """The digests of an image's layers without compression, the lowest first; nothing where there is no image."""
        from docker.errors import DockerException

        try:
            return tuple(self.client.images.get(reference).attrs["RootFS"].get("Layers") or ())
        except DockerException:
            return ()

    def save(self, reference: str) -> Iterator[bytes]:
        """Yield an image as the archive that ``docker save`` writes.

        Raises:
            EngineError: it breaks off.
        """
        from docker.errors import DockerException

        try:
            api: Any = self.client.api
            yield from api.get_image(reference, chunk_size=1 << 20)
        except (DockerException, OSError) as error:
            raise EngineError(f"the engine does not hand out {reference}: {error}") from None

    def load(self, archive: BinaryIO) -> None:
        """Take an image from an archive, as ``docker load`` does.

        Raises:
            EngineError: it refuses; with its own words.
        """
        from docker.errors import DockerException

        try:
            api: Any = self.client.api
            for line in api.load_image(archive):
                if isinstance(line, dict) and "error" in line:
                    raise EngineError(f"the engine does not take the image: {line['error']}")
        except (DockerException, OSError) as error:
            raise EngineError(f"the engine does not take the image: {error}") from None

    def tag(self, image: str, name: str) -> None:
        """Give an image another name."""
        api: Any = self.client.api
        repository, _, tag = name.rpartition(":")
        api.tag(image, *((repository, tag) if repository and "/" not in tag else (name, "latest")), force=True)

    def registry_digest(self, reference: str) -> str:
        """Ask an image's registry for the digest that it has under this name now; nothing is pulled.

        Raises:
            EngineError: the registry cannot be reached, or does not have it.
        """
        from docker.errors import DockerException

        try:
            api: Any = self.client.api  # the package's own types leave this call out
            return str(api.inspect_distribution(reference)["Descriptor"]["digest"])
        except (DockerException, OSError, KeyError) as error:
            raise EngineError(f"the engine gets no digest of {reference}: {error}") from None


def connect(environ: Mapping[str, str]) -> Engine:
    """Connect to the engine that ``docker`` itself would use: DOCKER_HOST, else DOCKER_CONTEXT, else the current one.

    Raises:
        EngineError: none answers there, or it refuses this user.
    """
    from docker import DockerClient
    from docker.errors import DockerException

    endpoint = environ.get("DOCKER_HOST") or "its default address"
    try:
        address = _address(environ)
        endpoint = str(address.get("base_url", endpoint))
        _require_ssh(endpoint)
        client = DockerClient(**address, timeout=_SECONDS)
        version = str(client.version()["Version"])
    except (DockerException, OSError, ValueError) as error:
        raise _explained(error, endpoint) from None
    return Engine(client, endpoint, version)


def _address(environ: Mapping[str, str]) -> dict[str, Any]:
    """Where the engine is. The docker package by itself would not look at contexts (rootless, Docker Desktop)."""
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    named = kwargs_from_env(environment=dict(environ))
    if "base_url" in named:
        return {**named}
    name = environ.get("DOCKER_CONTEXT")
    context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
    if context is None:
        raise EngineError(f"DOCKER_CONTEXT names {name!r}, and there is no such context", hint="see: docker context ls")
    return {"base_url": context.Host, "tls": context.TLSConfig}


def _require_ssh(endpoint: str) -> None:
    if endpoint.startswith("ssh://") and importlib.util.find_spec("paramiko") is None:
        raise EngineError(
            f"an engine over ssh ({endpoint}) needs a package that is not installed",
            hint="install it: pip install 'docker[ssh]'",
        )


def _explained(error: Exception, endpoint: str) -> EngineError:
    """Find the reason below the layers of an HTTP library, and say what to do about it."""
    cause: BaseException = error
    while below := cause.__cause__ or cause.__context__:
        cause = below
    if isinstance(cause, PermissionError):
        return EngineError(f"no rights on the container engine at {endpoint}", hint=_NO_RIGHTS)
    reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return EngineError(f"no container engine answers at {endpoint} ({reason})", hint=_NO_ENGINE)


_NO_RIGHTS = "add yourself to its group, `sudo usermod -aG docker $USER`, and log in again; or use sudo"
_NO_ENGINE = """\
install and start one (Debian, Ubuntu: `sudo apt-get install docker.io`; elsewhere https://docs.docker.com/engine/install/),
or point DOCKER_HOST at one; `bentopack containerize --dockerfile -` only renders the Dockerfile and needs none"""
