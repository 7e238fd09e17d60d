"""A blob on its way out of a registry: after a break it goes on from what arrived."""

from __future__ import annotations

from collections.abc import Iterator

from bentopack.oci.content import ContentError, Descriptor, checked
from bentopack.oci.parallel import pause, require_wanted
from bentopack.oci.wire import Answer, Broken, Wire, backoff, reason_of, unreachable

_PIECE = 1 << 18  # bytes, at most
_TRIES = 5


def proved(wire: Wire, repository: str, descriptor: Descriptor) -> Iterator[bytes]:
    """Fetch a blob; whoever takes it to its end knows that it is the one.

    Raises:
        RegistryError, ContentError: it breaks off, or is another one.
    """
    wrong = f"{wire.registry} sends other bytes than those of {descriptor.digest}"
    return checked(pieces(wire, repository, descriptor), descriptor.digest, wrong)


def pieces(wire: Wire, repository: str, descriptor: Descriptor) -> Iterator[bytes]:
    """Fetch a blob, as many bytes as its descriptor says; its digest is left to the caller.

    Raises:
        RegistryError: the registry refuses, or breaks off again and again.
        ContentError: it sends more or fewer bytes.
    """
    path, scope = f"/v2/{repository}/blobs/{descriptor.digest}", f"repository:{repository}:pull"
    arrived, tries = 0, 0
    while arrived < descriptor.size:
        before, headers = arrived, {"Range": f"bytes={arrived}-"} if arrived else {}
        answer = wire.ask("GET", path, scope, expected=(200, 206), headers=headers, stream=True)
        try:
            for piece in _after(answer, arrived):
                arrived += len(piece)
                if arrived > descriptor.size:
                    raise ContentError(f"{wire.registry} sends more than the {descriptor.size} of {descriptor.digest}")
                yield piece
        except unreachable() as error:
            tries = 0 if arrived > before else tries + 1
            if tries == _TRIES:
                reason = f"{wire.registry} broke off {tries} times: {reason_of(error)}"
                raise Broken(reason, hint=None, status=None, wait=None) from None
            pause(backoff(tries))
        else:
            if arrived < descriptor.size:
                raise ContentError(f"{wire.registry} sends too little of {descriptor.digest}")
        finally:
            answer.raw.close()  # whoever took all of it has given its connection back already


def _after(answer: Answer, arrived: int) -> Iterator[bytes]:
    """The pieces that are new: some registries send all of it again."""
    skip = arrived if answer.status == 200 else 0
    # Whatever has come: a whole piece would be lost where the line breaks in it.
    while piece := answer.raw.read1(_PIECE):
        require_wanted()
        kept = piece[skip:]
        skip -= len(piece) - len(kept)
        if kept:
            yield kept
