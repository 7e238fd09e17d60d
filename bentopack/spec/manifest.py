"""The manifest: ``bento.yaml``, all that passes between building and serving.

Everything in it follows from the inputs. There is no clock, host, user or absolute path in it, and no digest of the
Bento itself, since it is one of the files that the digest is made of.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from bentopack._yaml import decode
from bentopack.errors import IntegrityError, NotFound
from bentopack.spec import defaults

MANIFEST_NAME = "bento.yaml"
FORMAT = 1


class ApiInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One ``@bentopack.api`` method, as far as its syntax tells.

    An option that the code computes (``max_batch_size=limit()``) is None here; the runtime knows its value.
    """

    name: str
    route: str
    batchable: bool | None
    batch_dim: int | None
    max_batch_size: int | None
    max_latency_ms: int | None
    one_row: bool | None = defaults.ONE_ROW
    max_concurrency: int | None = defaults.MAX_CONCURRENCY
    isolate_errors: bool | None = defaults.ISOLATE_ERRORS


class ServiceInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is served.

    ``target`` is an import string such as ``service:Iris``, relative to the source folder. ``kind`` is ``service`` for
    a class under ``@bentopack.service`` and ``app`` for a plain ASGI or WSGI application.
    """

    target: str
    kind: Literal["service", "app"]
    name: str
    workers: int | None
    traffic: dict[str, Any] = {}
    resources: dict[str, Any] = {}
    apis: tuple[ApiInfo, ...] = ()


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model in the Bento, at ``models/<name>/<version>``.

    ``spellings`` are the tags and aliases by which the code and the bentofile name it (``iris:latest``), in the order
    of the alphabet; the code may go on using each of them.
    """

    name: str
    version: str
    digest: str
    framework: str
    spellings: tuple[str, ...]

    @property
    def tag(self) -> str:
        """Its whole tag, ``name:version``."""
        return f"{self.name}:{self.version}"

    @property
    def path(self) -> str:
        """Where it lies in the Bento."""
        return f"models/{self.name}/{self.version}"


class ImageInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the bentofile's ``docker`` section asks of the image; both variants share it."""

    distro: str = "debian"
    base_image: str | None = None
    cuda_version: str | None = None
    system_packages: tuple[str, ...] = ()
    env: dict[str, str] = {}
    setup_script: str | None = None
    """Path in the Bento (``env/docker/setup_script``), where there is one."""
    dockerfile_template: str | None = None
    """Path in the Bento (``env/docker/Dockerfile.template``), where there is one."""
    conda: bool = False
    """Whether Python and libraries come from conda, by the list at :func:`conda_list`."""


def sbom_path(variant: str) -> str:
    """Where a variant's bill of materials lies in the Bento."""
    return f"env/sbom/{variant}.cdx.json"


def conda_list(variant: str) -> str:
    """Path in the Bento of what a variant has of conda, as an explicit list."""
    return f"env/conda/{variant}/explicit.txt"


class BaseInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The image that a variant is built on. Without a digest its registry may give another one tomorrow."""

    image: str
    digest: str | None = None


class VariantInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One variant's environment: ``cpu`` or ``gpu``."""

    platform: str
    requirements: str
    """Path of the hashed requirements in the Bento, such as ``env/python/cpu/requirements.lock``."""
    packages: int
    """How many packages it locks."""
    base: BaseInfo | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole of ``bento.yaml``."""

    format: int
    name: str
    version: str | None = None
    """Only where the user gave one: otherwise the version is derived from the digest, which covers this file."""
    description: str | None = None
    license: str | None = None
    """The project's own, as an SPDX expression."""
    labels: dict[str, str] = {}
    service: ServiceInfo
    models: tuple[ModelInfo, ...] = ()
    python: str
    """``major.minor`` of the image's Python, such as ``3.11``."""
    runtime: str
    """Path of the bundled serving runtime, such as ``env/runtime/bentopack-0.1.0-py3-none-any.whl``."""
    envs: dict[str, str] = {}
    """Environment variables of the running service; an empty value must be given when it is deployed."""
    image: ImageInfo = ImageInfo()
    variants: dict[str, VariantInfo]
    args: dict[str, Any] = {}


def to_yaml(manifest: Manifest) -> bytes:
    """Write a manifest in its one canonical form: keys in the order of the types.

    Optional keys at their default are left out, so that a new one in a later release changes no old digest.
    """
    import yaml

    return yaml.safe_dump(_stated(manifest), sort_keys=False, allow_unicode=True, width=120).encode()


def _stated(value: Any) -> Any:
    """A manifest as plain values, without what is equal to its default.

    msgspec leaves out what *is* its default, and whether two empty tuples are one depends on the release of Python.
    """
    if isinstance(value, msgspec.Struct):
        fields = [(field, getattr(value, field.name)) for field in msgspec.structs.fields(value)]
        return {field.encode_name: _stated(given) for field, given in fields if given != _default(field)}
    if isinstance(value, dict):
        return {key: _stated(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stated(item) for item in value]
    return msgspec.to_builtins(value)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def read_manifest(bento: Path) -> Manifest:
    """Read the manifest of a Bento directory.

    Raises:
        NotFound: the folder is no Bento.
        IntegrityError: its manifest is damaged, or of a newer format than this release reads.
    """
    path = bento / MANIFEST_NAME
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{bento} is not a Bento: it has no {MANIFEST_NAME}") from None
    try:
        manifest = decode(content, Manifest)
    except msgspec.MsgspecError as error:
        raise IntegrityError(f"{path} is not a manifest: {error}", hint="build or import the Bento again") from None
    if manifest.format > FORMAT:
        raise IntegrityError(
            f"{path} has format {manifest.format}; this bentopack reads up to {FORMAT}", hint="upgrade bentopack"
        )
    return manifest
