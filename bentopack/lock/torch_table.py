"""What is known of PyTorch's builds, as data. Each row says where the fact comes from.

A row is added when its builds have been seen to exist: nothing here is made up out of a pattern.
"""

from __future__ import annotations

from dataclasses import dataclass

ADDRESS = "https://download.pytorch.org/whl"
"""Below it lies one index a kind of build: ``cpu``, ``cu126``. Source: https://pytorch.org/get-started/locally/."""

FAMILY = ("torch", "torchvision", "torchaudio")
"""What PyTorch's own install command takes from there, and nothing else. Source: the same page."""


@dataclass(frozen=True)
class TorchRelease:
    """A release of PyTorch, and the versions of CUDA that it was built for; every one is also built without CUDA."""

    torch: str
    torchvision: str
    """That of the same day, which requires this torch. Source: its own ``Requires-Dist``, on PyPI."""
    cuda: tuple[str, ...]
    source: str

    @property
    def versions(self) -> dict[str, str]:
        """The version of each package of the family; torchaudio has that of torch."""
        return {"torch": self.torch, "torchvision": self.torchvision, "torchaudio": self.torch}


_PREVIOUS = "https://pytorch.org/get-started/previous-versions/, v"

RELEASES = (
    TorchRelease("2.4", "0.19", ("11.8", "12.1", "12.4"), f"{_PREVIOUS}2.4.0 and v2.4.1"),
    TorchRelease("2.5", "0.20", ("11.8", "12.1", "12.4"), f"{_PREVIOUS}2.5.0 and v2.5.1"),
    TorchRelease("2.6", "0.21", ("11.8", "12.4", "12.6"), f"{_PREVIOUS}2.6.0"),
    TorchRelease("2.7", "0.22", ("11.8", "12.6", "12.8"), f"{_PREVIOUS}2.7.0 and v2.7.1"),
    TorchRelease("2.8", "0.23", ("12.6", "12.8", "12.9"), f"{_PREVIOUS}2.8.0"),
    TorchRelease("2.9", "0.24", ("12.6", "12.8", "13.0"), f"{_PREVIOUS}2.9.0 and v2.9.1"),
    TorchRelease("2.10", "0.25", ("12.6", "12.8", "13.0"), f"{_PREVIOUS}2.10.0"),
    TorchRelease("2.11", "0.26", ("12.6", "12.8", "12.9", "13.0"), f"{_PREVIOUS}2.11.0"),
)
"""The oldest first."""
