"""What ``push`` and ``pull`` share, of Bentos and of models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentopack.cli.options import Format, Progress

if TYPE_CHECKING:
    from bentopack._report import Reporter
    from bentopack.cli.output import Output
    from bentopack.image.compile import Compiler
    from bentopack.oci.reference import Reference
    from bentopack.oci.registry import Registries, Sent
    from bentopack.tag import Tag

    PushTo = Callable[[Reference], tuple[str, Sent]]
    Prepare = Callable[[Registries, Compiler, Reporter], PushTo]
    Pull = Callable[[Registries, Reference, str, Reporter], tuple[Tag, Path, str]]


@dataclass(frozen=True)
class Way:
    """How registries are reached, and how what comes of it is told."""

    ca_bundle: Path | None
    insecure: Sequence[str] | None
    output: Format
    verbose: bool
    progress: Progress

    @cached_property
    def out(self) -> Output:
        """Where it is told."""
        from bentopack.cli.output import Output

        return Output(verbose=self.verbose, progress=self.progress)

    def reach(self) -> Registries:
        """The registries."""
        from bentopack.cli.registry import reach

        return reach(self.ca_bundle, self.insecure)


def push_all(
    way: Way, tag: Tag, repository: str, tags: Sequence[str], kind: str, facts: dict[str, Any], prepare: Prepare
) -> None:
    """Push something of the store under each of its tags in a repository, and tell what came of it.

    Args:
        way: how.
        tag: what it is in the store.
        repository: where it goes.
        tags: what it is to be there; by itself its version.
        kind: what it is; nothing of another kind is replaced.
        facts: what is told of it besides.
        prepare: proves it, and gives what pushes it to one place and returns the digest there and what was sent.

    Raises:
        UsageError: a name is not valid, or something of another kind is there.
        BentopackError: see the rooms that do it.
    """
    from bentopack._fs import EPOCH
    from bentopack._home import home
    from bentopack.image.compile import Compiler
    from bentopack.image.kinds import require_kind
    from bentopack.oci.blobs import Blobs
    from bentopack.oci.reference import in_repository

    references = [in_repository(repository, each) for each in tags or [tag.version]]
    registries, pushed, sent = way.reach(), {}, 0
    with way.out.working() as reporter:
        require_kind(registries, references, kind)
        push_to = prepare(registries, Compiler(Blobs(home() / "cache" / "oci"), reporter, EPOCH), reporter)
        for reference in references:
            reporter.step(f"pushing {tag} to {reference}")
            pushed[str(reference)], more = push_to(reference)
            sent += more.bytes
    if way.output is Format.json:
        way.out.json({**facts, "pushed": pushed, "sent": sent})
        return
    for each, digest in pushed.items():
        way.out.result(f"Pushed {tag} to {each}  {digest}")


def pull_one(way: Way, tag: str, repository: str, pull: Pull) -> None:
    """Pull what a repository has under a version, or under ``latest``, and tell what is stored now.

    Raises:
        UsageError: a name is not valid.
        BentopackError: see the rooms that do it.
    """
    from bentopack.oci.reference import in_repository
    from bentopack.tag import Tag

    wanted = Tag.parse(tag)
    reference, registries = in_repository(repository, wanted.version), way.reach()
    with way.out.working() as reporter:
        reporter.step(f"pulling {reference}")
        stored, path, digest = pull(registries, reference, wanted.name, reporter)
    if way.output is Format.json:
        way.out.json({"tag": str(stored), "digest": digest, "path": str(path)})
    else:
        way.out.result(f"Pulled {stored} from {reference}")
