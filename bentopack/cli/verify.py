"""``bentopack verify``."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bentopack.cli.options import (
    CaBundleOption,
    Format,
    InsecureOption,
    OutputOption,
    Progress,
    ProgressOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bentopack._report import Reporter
    from bentopack.bento.verify import ProvenBento
    from bentopack.cli.output import Output


def verify(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TAG|DIR|FILE|IMAGE", help="A stored Bento, its folder, an archive, or an image in a registry."
        ),
    ],
    *,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="IMAGE: make it again of its Bento, and compare.")] = False,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="IMAGE: require that it was signed with this public key's other half."),
    ] = None,
    base_from: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="--rebuild: take the base out of an OCI layout or docker save's archive."),
    ] = None,
    ca_bundle: CaBundleOption = None,
    insecure_registry: InsecureOption = None,
    progress: ProgressOption = Progress.auto,
    output: OutputOption = Format.text,
    verbose: VerboseOption = False,
) -> None:
    """Prove that every file of a Bento, or every layer of an image, is what its digest says.

    Names each file that is missing, added or changed, and exits with 9 then. With --rebuild an image is made again, as
    --backend oci makes it, of the Bento that it names, in the store or beside it in its repository: the same digest
    proves that it holds that Bento, on that base, and nothing else.

    Example:  bentopack verify iris
    """
    from bentopack.cli.output import Output

    out = Output(verbose=verbose, progress=progress)
    of_image = _is_image(target)
    check = ImageCheck(rebuild, key, base_from, ca_bundle, tuple(insecure_registry or ()))
    _require_for(check, of_image=of_image)
    with out.working() as reporter, _told_as_json(out, output):
        reporter.step(f"hashing {target}")
        facts, told = _proved_image(target, check, reporter) if of_image else _proved(target)
    if output is Format.json:
        out.json(facts)
        return
    for line in told:
        out.result(line)


@dataclass(frozen=True)
class ImageCheck:
    """What is to be proved of an image."""

    rebuild: bool = False
    key: Path | None = None
    base_from: Path | None = None
    ca_bundle: Path | None = None
    insecure: tuple[str, ...] = ()


def _require_for(check: ImageCheck, *, of_image: bool) -> None:
    """Refuse what would be left undone: options of an image for a Bento, those of a rebuild without one."""
    from bentopack.errors import UsageError

    given = {
        "--rebuild": check.rebuild,
        "--key": check.key,
        "--base-from": check.base_from,
        "--ca-bundle": check.ca_bundle,
        "--insecure-registry": check.insecure,
    }
    if not of_image and (named := [option for option, value in given.items() if value]):
        raise UsageError(f"{' and '.join(named)}: for an image in a registry, such as registry.example/iris:1.0")
    if check.base_from and not check.rebuild:
        raise UsageError("--base-from is the base of what is made again: add --rebuild")


def _proved_image(target: str, check: ImageCheck, reporter: Reporter) -> tuple[dict[str, Any], list[str]]:
    """Prove an image, and return what is told of it to scripts and to people."""
    from bentopack.cli.verified import verify_image

    facts = verify_image(target, check, reporter)
    what = f"{'made again' if check.rebuild else 'whole'}{' and signed' if check.key else ''}"
    return facts, [f"{target} is {what} ({platform}): {digest}" for platform, digest in facts["platforms"].items()]


def _proved(target: str) -> tuple[dict[str, Any], list[str]]:
    proven = _prove(target)
    facts = {"whole": True, "tag": str(proven.tag), "digest": proven.digest}
    return facts, [f"{proven.tag} is whole: {proven.digest}"]


@contextmanager
def _told_as_json(out: Output, output: Format) -> Iterator[None]:
    """What is damaged is a document too, where documents are asked for."""
    from bentopack.errors import BentopackError, IntegrityError

    try:
        yield
    except BentopackError as error:
        if output is Format.json and error.exit_code == IntegrityError.exit_code:
            problems = error.problems if isinstance(error, IntegrityError) else ()
            out.json({"whole": False, "problems": list(problems or (error.message,))})
        raise


def _is_image(target: str) -> bool:
    """Whether it names an image with its registry; a Bento's tag has no slash, and a path is there."""
    host = target.partition("/")[0]
    return (
        "/" in target and not Path(target).exists() and (host == "localhost" or "." in host.strip(".") or ":" in host)
    )


def _prove(target: str) -> ProvenBento:
    from bentopack.bento.store import bento_store
    from bentopack.bento.verify import prove, prove_stored
    from bentopack.cli.target import bento_folder, unpacked_aside

    if Path(target).is_file():
        with unpacked_aside(Path(target)) as proven:
            return proven
    if folder := bento_folder(target):
        return prove(folder)
    return prove_stored(bento_store().get(target))
