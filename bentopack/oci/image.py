"""An image as a whole: its manifest, its configuration, and its layers, wherever their bytes are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bentopack.oci.blobs import Layer
from bentopack.oci.content import (
    CONFIG,
    DOCKER_LAYERS,
    INDEX,
    MANIFEST,
    ContentError,
    Descriptor,
    canonical,
    describe,
    image_index,
    image_manifest,
)

Stream = Callable[[], Iterator["bytes | memoryview"]]
"""Gives the bytes of a blob, from its beginning, each time it is asked."""


@dataclass(frozen=True)
class Part:
    """A layer and where its bytes come from; ``origin`` is the repository that has it already, if one does."""

    layer: Layer
    stream: Stream
    origin: str | None = None

    @property
    def descriptor(self) -> Descriptor:
        """What a manifest says of it."""
        return self.layer.descriptor


@dataclass(frozen=True)
class Image:
    """Everything that a registry, an engine or an archive needs of an image."""

    parts: tuple[Part, ...]
    config: bytes
    manifest: bytes

    @property
    def config_descriptor(self) -> Descriptor:
        """What the manifest says of the configuration; its digest is the id that an engine gives the image."""
        return describe(CONFIG, self.config)

    @property
    def descriptor(self) -> Descriptor:
        """What names the image in a registry."""
        return describe(MANIFEST, self.manifest)


@dataclass(frozen=True)
class Index:
    """Images of several platforms under one name."""

    images: tuple[Image, ...]

    @property
    def content(self) -> bytes:
        """What a registry has under the name; each runtime takes the image of its platform."""
        return image_index([replace(each.descriptor, platform=_platform(each)) for each in self.images])

    @property
    def descriptor(self) -> Descriptor:
        """What names it in a registry."""
        return describe(INDEX, self.content)


def _platform(image: Image) -> dict[str, str]:
    config = read_config(image.config)
    return {key: str(config[key]) for key in ("os", "architecture", "variant") if key in config}


def make_image(
    base: Image,
    parts: Sequence[Part],
    settings: Mapping[str, Any],
    *,
    platform: str,
    history: Sequence[str],
    created: str,
    annotations: Mapping[str, str],
) -> Image:
    """Put layers on a base.

    Args:
        base: the image below, of which all layers stay, and the settings that concern what runs in it and are not set
            anew.
        parts: the layers above it.
        settings: the configuration that containers run with (``User``, ``Env``, …), as the config of an image has it.
        platform: such as ``linux/amd64``.
        history: for each layer, what made it.
        created: when the image counts as made (RFC 3339).
        annotations: of the manifest.
    """
    below = read_config(base.config)
    system, _, architecture = platform.partition("/")
    architecture, _, variant = architecture.partition("/")
    if not variant and architecture == below.get("architecture"):
        variant = below.get("variant") or ""
    inherited = {key: value for key, value in settings_of(below).items() if key not in _NOT_INHERITED}
    told = [{"created": created, "created_by": each} for each in history]
    whole = (*map(_in_oci_terms, base.parts), *parts)
    config: dict[str, Any] = {
        "architecture": architecture,
        "os": system,
        **({"variant": variant} if variant else {}),
        "created": created,
        "config": {**inherited, **settings},
        "rootfs": {"type": "layers", "diff_ids": [part.layer.diff_id for part in whole]},
        "history": [*_history(below, len(base.parts)), *told],
    }
    written = canonical(config)
    layers = [part.descriptor for part in whole]
    return Image(whole, written, image_manifest(describe(CONFIG, written), layers, annotations))


# What belongs to the base's own build or container: an OnBuild would never be carried out, ArgsEscaped is of a command
# that is another one now, and a Shell of no step.
_NOT_INHERITED = ("OnBuild", "ArgsEscaped", "Image", "Hostname", "Domainname", "Shell")


def _history(config: Mapping[str, Any], layers: int) -> list[dict[str, Any]]:
    """What made the layers of a base, one step for each: with more or fewer, buildah takes no image that is on it."""
    told: list[dict[str, Any]] = config.get("history") or []
    missing = layers - sum(not each.get("empty_layer") for each in told)
    return [*(told if missing >= 0 else []), *[{"created_by": "the base"}] * (missing if missing >= 0 else layers)]


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What containers of an image run with, as its configuration has it; some say null where there is nothing."""
    return dict(config.get("config") or {})


def pair_layers(config: bytes, layers: Sequence[Descriptor], name: str) -> list[Layer]:
    """Return an image's layers, of its manifest and its configuration.

    Args:
        config: the configuration.
        layers: what the manifest says of them.
        name: what is told of where there are errors.

    Raises:
        ContentError: it is no configuration, or has other layers.
    """
    diff_ids = read_config(config)["rootfs"]["diff_ids"]
    if len(layers) != len(diff_ids):
        raise ContentError(f"{name} has {len(layers)} layers, and its configuration tells of {len(diff_ids)}")
    return [Layer(layer, str(diff_id)) for layer, diff_id in zip(layers, diff_ids, strict=True)]


def _in_oci_terms(part: Part) -> Part:
    """A layer of a base whose manifest is Docker's: an OCI manifest that says its word for it is refused by some."""
    descriptor = part.descriptor
    media_type = DOCKER_LAYERS.get(descriptor.media_type, descriptor.media_type)
    return replace(part, layer=replace(part.layer, descriptor=replace(descriptor, media_type=media_type)))


def platform_of(config: bytes) -> str:
    """What an image is for, such as ``linux/amd64``, without a variant; nothing where it does not say so.

    Of variants, the newer run what is for older ones.

    Raises:
        ContentError: it is no configuration.
    """
    told = read_config(config)
    return platform_name(told.get("os"), told.get("architecture"))


def platform_name(system: object, architecture: object) -> str:
    """A platform of its parts; nothing where one is missing."""
    return f"{system}/{architecture}" if system and architecture else ""


def without_variant(platform: str) -> str:
    """Leave the variant out of such as ``linux/arm64/v8``."""
    return "/".join(platform.split("/")[:2])


def read_config(content: bytes) -> dict[str, Any]:
    """Read the configuration of an image.

    Raises:
        ContentError: it is none.
    """
    try:
        config = json.loads(content)
        history = config.get("history") or []
        if (
            isinstance(config["rootfs"]["diff_ids"], list)
            and isinstance(config.get("config") or {}, dict)
            and all(isinstance(each, dict) for each in history)
        ):
            return dict(config)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise ContentError("what should be an image's configuration is none")
