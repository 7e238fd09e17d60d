"""``bentopack inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bentopack.cli.options import CaBundleOption, Format, InsecureOption, OutputOption

if TYPE_CHECKING:
    from bentopack.cli.output import Output
    from bentopack.image.inspect import ImageReport


def inspect(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="With its registry: registry.example/iris:1.0.")],
    ca_bundle: CaBundleOption = None,
    insecure_registry: InsecureOption = None,
    output: OutputOption = Format.text,
) -> None:
    """Lead from an image in a registry back to its Bento, lock, models, base and source.

    Nothing is pulled but the image's manifest, its configuration and the provenance that is attached to it. Lock and
    models are that one's word, which nobody signed, and the rest is the image's own: `verify --rebuild` proves it.

    Example:  bentopack inspect registry.example/iris:1.0
    """
    from bentopack._home import home
    from bentopack.cli.output import Output
    from bentopack.cli.registry import reach
    from bentopack.image.inspect import inspect_image
    from bentopack.oci.blobs import Blobs
    from bentopack.oci.reference import parse_reference

    out = Output()
    registries = reach(ca_bundle, insecure_registry)
    with out.working() as reporter:
        reporter.step(f"reading {image}")
        reports = inspect_image(registries, parse_reference(image), Blobs(home() / "cache" / "oci"))
    if output is Format.json:
        out.json([each.facts() for each in reports] if len(reports) > 1 else reports[0].facts())
        return
    for each in reports:
        _tell(out, each)


def _tell(out: Output, report: ImageReport) -> None:
    from bentopack.cli.output import size

    facts = report.facts()
    out.result(f"{report.image}  {report.digest}")
    at = f" at {facts['revision']}" if facts["revision"] else ""
    more = [each for each in report.made_of if _is_more(each)]
    rows = [
        ("platform", facts["platform"]),
        ("bento", f"{facts['bento']}  {facts['bento_digest']}"),
        ("base", f"{facts['base']}  {facts['base_digest'] or 'not pinned'}"),
        ("source", f"{facts['source'] or 'no repository known'}{at}"),
        *((str(each["name"]), f"{each.get('uri', '')}  {_digest(each)}  (attached, unsigned)") for each in more),
        ("layers", f"{report.layers}, {size(report.size)}"),
        *(("attached", f"{each.artifact_type}  {each.digest}") for each in report.attached),
    ]
    for name, told in rows:
        out.result(f"  {name:<9} {told.rstrip()}")


def _is_more(dependency: object) -> bool:
    """What the labels do not say already."""
    return isinstance(dependency, dict) and dependency.get("name") in ("lock", "model")


def _digest(dependency: object) -> str:
    found = dependency.get("digest") if isinstance(dependency, dict) else None
    if not isinstance(found, dict):
        return ""
    return " ".join(f"{name}:{value}" for name, value in found.items())
