"""Builds an image out of a Bento's folder with the engine's own command line."""

from __future__ import annotations

import shlex
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bentopack._report import Reporter
from bentopack.errors import ImageBuildError
from bentopack.image import validate
from bentopack.image.client import Client
from bentopack.image.engine import Engine, ImageFacts
from bentopack.image.failure import find_failure
from bentopack.image.plan import ImagePlan
from bentopack.image.render import render_dockerfile
from bentopack.image.secrets import Secret

# Enough to find the failing step of a build whose steps run side by side.
_KEPT_LINES = 5000
# CI systems kill some seconds after they asked to stop; the scratch folder is to be gone by then.
_STOP_SECONDS = 5


@dataclass(frozen=True)
class BuildOptions:
    """What the user asks of one build, beyond what the Bento says."""

    tags: tuple[str, ...]
    no_cache: bool = False
    build_args: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def build_image(
    engine: Engine,
    client: Client,
    bento: Path,
    plan: ImagePlan,
    options: BuildOptions,
    *,
    environ: Mapping[str, str],
    reporter: Reporter,
) -> ImageFacts:
    """Build ``plan`` with the folder ``bento`` as context; nothing is written into that folder.

    Args:
        engine: where the image will be.
        client: the command that builds.
        bento: the Bento's folder.
        plan: what the image is to be.
        options: tags, labels, secrets and what else the user asked.
        environ: the environment of the client, so that it finds its engine and its settings.
        reporter: gets every line that the build prints.

    Raises:
        ImageBuildError: the build failed; the message holds the failing step and its last lines. Or the image would
            hold files that the service may not read.
        PlanError: a tag is no image name, or secrets are asked of a builder that has none.
    """
    dockerfile = render_dockerfile(plan, buildkit=client.buildkit, secrets=[secret.id for secret in options.secrets])
    _require_readable(bento, plan)
    with tempfile.TemporaryDirectory(prefix="bentopack-build-") as scratch:
        folder = Path(scratch)
        _write(folder, dockerfile, plan)
        environment = {**environ, "DOCKER_BUILDKIT": "1" if client.buildkit else "0"}
        _run(build_command(client, bento, folder, plan, options), environment, reporter)
        image = (folder / "id").read_text().strip()
    return engine.inspect(image)


def build_command(client: Client, bento: Path, folder: Path, plan: ImagePlan, options: BuildOptions) -> list[str]:
    """The client's arguments; ``folder`` holds the Dockerfile and gets the image's id."""
    command = [client.command, "build", "--file", str(folder / "Dockerfile"), "--iidfile", str(folder / "id")]
    # The plan's, even where it is the engine's own: packages were locked for it.
    command += ["--platform", plan.platform]
    if client.buildkit:
        command += ["--progress", "plain"]
    for tag in options.tags:
        command += ["--tag", validate.image_reference(tag)]
    for key, value in sorted(options.labels.items()):
        command += ["--label", f"{key}={value}"]
    if options.no_cache:
        command += ["--no-cache"]
    for argument in options.build_args:
        command += ["--build-arg", argument]
    for secret in options.secrets:
        command += ["--secret", secret.option]
    return [*command, str(bento.absolute())]


def dockerignore(plan: ImagePlan) -> str:
    """All is left out of the context but what a layer is made from."""
    kept = sorted({path for layer in plan.layers for path in layer.paths})
    return "\n".join(["*", *(f"!{path}" for path in kept)]) + "\n"


def _require_readable(bento: Path, plan: ImagePlan) -> None:
    """Refuse what was unpacked under a strict umask: COPY keeps modes, and the service is only of root's group."""
    for layer in plan.of("model", "manifest", "source"):
        top = bento / layer.paths[0]
        for path in (top, *top.rglob("*")):
            needed = 0o050 if path.is_dir() else 0o040
            if path.stat().st_mode & needed != needed:
                raise ImageBuildError(
                    f"{path}: its group may not read it, and so the service in the image could not",
                    hint=f"chmod -R g+rX {shlex.quote(str(bento))}",
                )


def _write(folder: Path, dockerfile: str, plan: ImagePlan) -> None:
    (folder / "Dockerfile").write_text(dockerfile)
    # Only BuildKit looks here; the classic builder reads a file in the context itself, which is not ours to write.
    (folder / "Dockerfile.dockerignore").write_text(dockerignore(plan))


def _run(command: Sequence[str], environment: Mapping[str, str], reporter: Reporter) -> None:
    log: deque[str] = deque(maxlen=_KEPT_LINES)
    with _started(command, environment) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            log.append(line.rstrip())
            reporter.output(log[-1])
    if process.returncode != 0:
        raise _failed(list(log))


@contextmanager
def _started(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run the client, and end it whatever happens here: neither Ctrl-C nor SIGTERM may leave a build behind."""
    process = subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        yield process
        process.wait()
    finally:
        if process.poll() is None:
            end_client(process)
        if process.stdout is not None:
            process.stdout.close()


def end_client(process: subprocess.Popen[str]) -> None:
    """Ask as a terminal would, so that the client cancels its build in the engine; then insist."""
    try:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    finally:
        # Also where a second Ctrl-C interrupts the waiting.
        if process.poll() is None:
            process.kill()
            process.wait()


def _failed(log: list[str]) -> ImageBuildError:
    failure = find_failure(log)
    step = failure.step or ""
    message = "the image could not be built" + (f", at: {step}" if step else "")
    # Both builders' words for fetching the base.
    fetching = step.startswith(("[internal] load metadata for", "FROM "))
    hint = "the base must be pulled; --base-image starts from another one" if fetching else _HINT
    return ImageBuildError("\n  ".join([message, *failure.lines]), hint=hint)


_HINT = "`--verbose` shows every line of the build"
