"""``bentopack verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bentopack.cli.options import BaseFromOption, CaBundleOption, Format, InsecureOption, OutputOption

if TYPE_CHECKING:
    from bentopack.bento.verify import ProvenBento


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
    base_from: BaseFromOption = None,
    ca_bundle: CaBundleOption = None,
    insecure_registry: InsecureOption = None,
    output: OutputOption = Format.text,
) -> None:
    """Prove that every file of a Bento, or every layer of an image, is what its digest says.

    Names each file that is missing, added or changed, and exits with 9 then. With --rebuild an image is made again, as
    --backend oci makes it, of the Bento that it names, in the store or beside it in its repository: the same digest
    proves that it holds that Bento, on that base, and nothing else.

    Example:  bentopack verify iris
    """
    from bentopack.cli.output import Output
    from bentopack.errors import BentopackError, IntegrityError, UsageError

    out = Output()
    of_image = _is_image(target)
    if (rebuild or key) and not of_image:
        raise UsageError("--rebuild and --key are for an image in a registry, such as registry.example/iris:1.0")
    with out.working() as reporter:
        reporter.step(f"hashing {target}")
        try:
            if of_image:
                from bentopack.cli.verified import ImageCheck, verify_image

                check = ImageCheck(rebuild, key, base_from, ca_bundle, tuple(insecure_registry or ()))
                facts = verify_image(target, check, reporter)
            else:
                proven = _prove(target)
                facts = {"whole": True, "tag": str(proven.tag), "digest": proven.digest}
        except BentopackError as error:
            if output is Format.json and error.exit_code == IntegrityError.exit_code:
                problems = error.problems if isinstance(error, IntegrityError) else ()
                out.json({"whole": False, "problems": list(problems or (error.message,))})
            raise
    if output is Format.json:
        out.json(facts)
    elif of_image:
        for platform, digest in facts["platforms"].items():
            signed = " and signed" if key else ""
            out.result(f"{target} is {'made again' if rebuild else 'whole'}{signed} ({platform}): {digest}")
    else:
        out.result(f"{proven.tag} is whole: {proven.digest}")


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
