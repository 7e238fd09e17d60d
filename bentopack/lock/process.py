"""Runs a resolver as a process of its own, and keeps of what it says what explains."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bentopack._report import Reporter
from bentopack.lock.credentials import without_credentials

_CONFLICT = "No solution found|The conflict is caused by"  # uv's words, and pip's
# `git rev-parse --local-env-vars`
_OF_A_HOOK = frozenset(
    f"GIT_{name}"
    for name in (
        "ALTERNATE_OBJECT_DIRECTORIES",
        "COMMON_DIR",
        "CONFIG",
        "CONFIG_COUNT",
        "CONFIG_PARAMETERS",
        "DIR",
        "GRAFT_FILE",
        "IMPLICIT_WORK_TREE",
        "INDEX_FILE",
        "INTERNAL_SUPER_PREFIX",
        "NO_REPLACE_OBJECTS",
        "OBJECT_DIRECTORY",
        "PREFIX",
        "REPLACE_REF_BASE",
        "SHALLOW_FILE",
        "WORK_TREE",
    )
)


def run(
    command: list[str],
    folder: Path,
    said: list[str],
    reporter: Reporter,
    environment: Mapping[str, str] | None = None,
    umask: int = -1,
    conceal: Callable[[str], str] = without_credentials,
) -> int:
    """Run a resolver and return its exit status. However this ends, the resolver and what it started end too.

    Args:
        said: gets the lines that it prints.
        environment: variables for it beside those of this process.
        umask: which permissions its files lack; this process's own by default.
        conceal: what takes credentials out of each line, before anybody sees it.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        cwd=folder,
        # It gets this process's environment, which no code here looks into: pip is configured there (PIP_*, proxies,
        # certificates, HOME with pip.conf and netrc), and to resolve without it would be to resolve from elsewhere.
        env={**_inherited(), "PYTHONWARNINGS": "ignore", **(environment or {})},
        umask=umask,
        start_new_session=True,  # a group of its own, so that the builds that pip starts can be ended with it
    )
    try:
        for line in process.stdout or ():
            said.append(conceal(line.rstrip()))
            reporter.output(said[-1])
        return process.wait()
    finally:
        if process.poll() is None and sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _inherited() -> dict[str, str]:
    """This process's environment, without what git sets in a hook: it would turn every git below on the user's own."""
    return {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}


def explain(said: list[str]) -> str:
    """Keep of a resolver's output what explains: pip's own words and the last error, without the traceback between."""
    start = next((at for at, line in enumerate(said) if line.startswith("Traceback")), len(said))
    kept = [line.strip() for line in said[:start] if line.strip()]
    if start < len(said):
        last = [line for line in said if line.strip()][-1]
        kept.append(re.sub(r"^[\w.]+: ", "", last))
    # A package's own build may print pages: how it began and how it ended tell most. A conflict is told whole.
    if len(kept) > 30 and not any(re.search(_CONFLICT, line) for line in kept):
        kept = [*kept[:8], "…", *kept[-20:]]
    text = "\n".join(f"  {line}" for line in kept)
    text = re.sub(r" \(from (-r )?\S*bentopack-lock-\S+( \(line \d+\))?\)", "", text)
    return re.sub(r"\(from versions: ([^)]*)\)", _newest, text)


def _newest(versions: re.Match[str]) -> str:
    return f"(newest versions: {', '.join(versions[1].split(', ')[-5:])})"
