"""Large models travel to the engine once: each becomes a small image of its own, from which later builds copy it.

A build sends its whole context to the engine anew whenever the Bento is another one, and a model may be gigabytes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import NotFound
from bentopack.image.builder import Builder, write_dockerfile
from bentopack.image.failure import build_failed
from bentopack.image.plan import ImagePlan, Layer
from bentopack.image.render import exec_form
from bentopack.image.running import run

_LARGE = 32 << 20  # bytes; what is smaller is sent sooner than an image of it is looked up
# A name that no registry can have: where an image of it is gone, the build fails and pulls nobody else's.
_NAME = "bentopack.invalid/model"


def model_images(
    builder: Builder, bento: Path, plan: ImagePlan, *, environ: Mapping[str, str], reporter: Reporter
) -> dict[str, str]:
    """Make sure that each large model of a plan has its image, and return their names by the models' paths.

    Raises:
        ImageBuildError: one cannot be made.
    """
    found = {}
    for layer in plan.of("model"):
        if layer.key and layer.size is not None and layer.size >= _LARGE and builder.dialect.mounts:
            # BuildKit takes an image of another platform for none at all.
            name = f"{_NAME}:{layer.key[:40]}-{plan.platform.replace('/', '-')}"
            if not _is_there(builder, name):
                reporter.step(f"sending {layer.holds} to the engine")
                _make(builder, bento, plan, layer, name, environ, reporter)
            found[layer.paths[0]] = name
    return found


def _is_there(builder: Builder, name: str) -> bool:
    try:
        builder.inspect(name)
    except NotFound:
        return False
    return True


def _make(
    builder: Builder,
    bento: Path,
    plan: ImagePlan,
    layer: Layer,
    name: str,
    environ: Mapping[str, str],
    reporter: Reporter,
) -> None:
    with tempfile.TemporaryDirectory(prefix="bentopack-model-") as scratch:
        folder, path = Path(scratch), layer.paths[0]
        write_dockerfile(folder, f"FROM scratch\nCOPY {exec_form([f'{path}/', layer.target])}\n", f"*\n!{path}\n")
        command = [*builder.begin(folder, plan.platform), "--tag", name, str(bento.absolute())]
        code, log = run(command, {**environ, **builder.environment}, reporter)
        if code:
            raise build_failed(log)
