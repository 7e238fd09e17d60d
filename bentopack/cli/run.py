"""``bentopack run``."""

from __future__ import annotations

from typing import Any

from bentopack.cli.serving import EnvironmentOption, TargetArgument, serve_target, with_settings


@with_settings
def run(target: TargetArgument = None, *, env: EnvironmentOption = None, settings: dict[str, Any]) -> None:
    """Serve a project or a Bento on this machine, for its developer.

    The runtime is the same as in its image. A project runs with the packages that are installed here. A Bento runs in
    an environment of its own, made from its lock at the first run and kept; what is stored is taken on trust, and
    `bentopack verify` proves it. Ctrl-C answers what has been accepted and
    exits with 0. Each option may be given by the environment: --max-body as BENTOPACK_MAX_BODY.

    Example:  bentopack run iris:latest --port 8080 --reload
    """
    serve_target(target, env, settings, host="127.0.0.1")
