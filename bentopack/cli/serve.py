"""``bentopack serve``."""

from __future__ import annotations

from typing import Any

from bentopack.cli.serving import EnvironmentOption, TargetArgument, serve_target, with_settings


@with_settings
def serve(target: TargetArgument = None, *, env: EnvironmentOption = None, settings: dict[str, Any]) -> None:
    """Serve a Bento in production: as `run`, but for everyone who can reach this machine.

    It is what an image runs, where the same command takes a Bento's folder alone. Each option may be given by the
    environment: --max-body as BENTOPACK_MAX_BODY.

    Example:  bentopack serve iris:latest --port 8080 --workers 4
    """
    serve_target(target, env, settings, host="0.0.0.0")  # noqa: S104 - that is what it is for
