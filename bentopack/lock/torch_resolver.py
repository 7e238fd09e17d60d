"""A resolver that takes PyTorch's packages from PyTorch's index, and nothing else from there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from bentopack._report import Reporter
from bentopack.errors import LockError
from bentopack.lock.credentials import expanded, without_credentials
from bentopack.lock.explicit import PROJECT, NoExplicitIndex
from bentopack.lock.resolver import ExplicitIndex, LockedPackage, Request, Resolver, Target, TorchIndex
from bentopack.lock.torch_index import asked_directly, of_family, suffix_of
from bentopack.lock.torch_table import FAMILY


class TorchResolver:
    """Tells another resolver of the index where a request has one, once it is known that torch is asked for."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def resolve(self, request: Request, target: Target, reporter: Reporter) -> tuple[LockedPackage, ...]:
        """Resolve, and again while packages of the family come up that did not come from its index."""
        torch = request.torch
        request = replace(request, torch=None)
        if torch is None:
            return self._resolver.resolve(request, target, reporter)
        wanted = asked_directly(request, target)
        if not wanted:
            packages, wanted = self._from_anywhere(request, target, reporter)
        while wanted:
            wanted = _with_torch(wanted)
            packages = self._from_index(torch, wanted, request, target, reporter)
            more = _lacking(packages, wanted)
            if not more:
                break
            wanted |= more
        return packages

    def _from_anywhere(
        self, request: Request, target: Target, reporter: Reporter
    ) -> tuple[tuple[LockedPackage, ...], dict[str, str]]:
        """Resolve as if there were no such index, and return which packages of it that shows to be asked for."""
        try:
            packages = self._resolver.resolve(request, target, reporter)
        except LockError as error:
            # The project's indexes may have no torch, or not the one that some package needs.
            if not (named := _named(error.message)):
                raise
            return (), {name: name for name in named}
        return packages, _lacking(packages, {})

    def _from_index(
        self, torch: TorchIndex, wanted: Mapping[str, str], request: Request, target: Target, reporter: Reporter
    ) -> tuple[LockedPackage, ...]:
        suffix = suffix_of(torch, request, target)
        explicit = ExplicitIndex(f"{torch.address}/{suffix}", tuple(wanted))
        asked = replace(request, explicit=explicit, preferred=tuple(_builds(request.preferred, suffix)))
        try:
            packages = self._resolver.resolve(asked, target, reporter)
        except NoExplicitIndex:
            raise
        except LockError as error:
            raise _explained(error, explicit, torch) from None
        return _told(packages, without_credentials(explicit.address), set(wanted.values()))


def _with_torch(wanted: dict[str, str]) -> dict[str, str]:
    """Ask for torch along with the others, which are of no use without it."""
    if "torch" in wanted.values():
        return wanted
    return wanted | {text.replace(name, "torch", 1): "torch" for text, name in wanted.items()}


def _lacking(packages: Sequence[LockedPackage], wanted: Mapping[str, str]) -> dict[str, str]:
    """The packages of the family that the index was not asked for, as requirements, with their names."""
    return {
        f"{package.name} ; {package.marker}" if package.marker else package.name: package.name
        for package in of_family(packages)
        if package.name not in wanted.values() and not package.url
    }


def _named(message: str) -> list[str]:
    return [name for name in FAMILY if re.search(rf"(?<!-)\b{name}\b(?!-)", message)]


def _builds(preferred: Sequence[str], suffix: str) -> Iterator[str]:
    """Prefer the build of a release too: its version has the suffix, and a resolver compares whole versions."""
    for line in preferred:
        yield line
        if line.partition("==")[0] in FAMILY:
            yield f"{line.partition('+')[0]}+{suffix}"


def _told(packages: Sequence[LockedPackage], index: str, names: set[str]) -> tuple[LockedPackage, ...]:
    """Write down the index at what comes from it, since pip has to be told of it too."""
    return tuple(
        msgspec.structs.replace(package, index=index) if package.name in names and not package.url else package
        for package in packages
    )


def _explained(error: LockError, explicit: ExplicitIndex, torch: TorchIndex) -> LockError:
    """Say of an error that comes of the index which setting it comes of."""
    index = without_credentials(explicit.address)
    message = error.message.replace(PROJECT, "the project")
    # What is not there is told by its name, and what cannot be asked by its address.
    if without_credentials(expanded(explicit.address, os.environ)) in message:
        return LockError(
            f"the PyTorch index {index} cannot be reached:\n{_details(message)}",
            hint="set python.torch_index in the bentofile to the address of a mirror that can be, or to false: torch "
            "comes from where all packages come from then",
        )
    if not _named(message):
        return error
    looked = f"{' and '.join(explicit.names)}: looked for in {index} alone"
    looked += f", since docker.cuda_version is {torch.cuda}" if torch.cuda else ""
    # uv says so of every index that answers with an error, too.
    if "not found in the package registry" in message:
        looked += ", which shows none: is the address right, and is there a password?"
    ways = ["ask for a version that is there", *(["change docker.cuda_version"] if torch.cuda else [])]
    return LockError(
        message, hint=f"{looked}\n{', '.join(ways)}, or set python.torch_index (a mirror's address, or false)"
    )


def _details(message: str) -> str:
    """What a resolver says, without the line above that says that it failed."""
    return message.partition("\n")[2] or message
