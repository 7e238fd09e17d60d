"""``bentopack list``."""

from __future__ import annotations

from bentopack.cli.options import Format, NameArgument, OutputOption


def list_(name: NameArgument = None, output: OutputOption = Format.text) -> None:
    """List the Bentos of the store.

    Example:  bentopack list iris --output json
    """
    from bentopack.bento.store import list_bentos
    from bentopack.cli.output import Output, age, size

    out = Output()
    bentos = list_bentos(name, reporter=out)
    if output is Format.json:
        out.json([bento.facts() for bento in bentos])
        return
    rows = [
        (str(b.stored.tag), size(b.size), str(len(b.manifest.models)), b.manifest.service.target, age(b.stored.created))
        for b in bentos
    ]
    out.table(
        ("TAG", "SIZE", "MODELS", "SERVICE", "CREATED"),
        rows,
        empty=f"no Bento is called {name}" if name else "no Bentos yet: bentopack build makes one",
    )
