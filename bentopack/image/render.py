"""Renders a plan as the text of a Dockerfile: pure, from the templates alone.

Two dialects: BuildKit's, with mounts for the cache, secrets and the setup script, and the classic builder's, without,
which every builder reads. Neither begins with a ``# syntax=`` line, which would make every build fetch an image of the
frontend first.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from bentopack._resources import resource_dir
from bentopack.image import validate
from bentopack.image.plan import ImagePlan
from bentopack.image.table import UV_VERSION
from bentopack.image.validate import PlanError

if TYPE_CHECKING:
    from jinja2 import Environment

# What pip reads from a file that a variable names: https://pip.pypa.io/en/stable/topics/configuration/ and
# https://requests.readthedocs.io/en/latest/user/authentication/#netrc-authentication.
_SECRET_VARIABLES = {"pip.conf": "PIP_CONFIG_FILE", "netrc": "NETRC"}


def render_dockerfile(plan: ImagePlan, *, buildkit: bool = True, secrets: Iterable[str] = ()) -> str:
    """Render the Dockerfile of ``plan``; its context is the Bento's folder.

    Args:
        plan: what the image is to be.
        buildkit: whether the builder is BuildKit.
        secrets: ids of build secrets, mounted while Python packages are installed. ``pip.conf`` and ``netrc`` are
            used by pip, one named as variables are fills in ``${NAME}`` in the address of an index, and others are
            there for what a package's own build may look for.

    Raises:
        PlanError: secrets for a builder that has none, or an id that is no file name.
    """
    ids = tuple(validate.secret_id(name) for name in secrets)
    if ids and not buildkit:
        raise PlanError("--secret needs BuildKit, and this engine's client has none", hint=INSTALL_BUILDX)
    template = _templates().get_template("Dockerfile.j2")
    options = tuple(_pip_options(ids)) if buildkit else ()
    return template.render(plan=plan, buildkit=buildkit, pip_options=options, uv_version=UV_VERSION)


def quoted(text: str) -> str:
    r"""Write free text as one double-quoted word of ENV or LABEL, in which ``\``, ``"`` and ``$`` are special."""
    for special in ("\\", '"', "$"):
        text = text.replace(special, f"\\{special}")
    return f'"{text}"'


def exec_form(words: Iterable[str]) -> str:
    """Write words as an instruction's JSON form, which no shell reads."""
    return json.dumps(list(words))


def _pip_options(secrets: tuple[str, ...]) -> Iterable[str]:
    """What stands before pip in the RUN that installs the packages: mounts, then variables."""
    yield "--mount=type=cache,target=/root/.cache/pip"
    for name in secrets:
        yield f"--mount=type=secret,id={name},required=true"
    for name in secrets:
        if name in _SECRET_VARIABLES:
            yield f"{_SECRET_VARIABLES[name]}=/run/secrets/{name}"
        elif re.fullmatch("[A-Z][A-Z0-9_]*", name):  # pip fills in ${NAME} in the address of an index
            yield f'{name}="$(cat /run/secrets/{name})"'


INSTALL_BUILDX = "install the docker-buildx plugin (Debian: docker-buildx, Docker's own packages: docker-buildx-plugin)"


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - a Dockerfile is not HTML; free text goes through the filters below
        loader=FileSystemLoader(resource_dir("templates") / "dockerfile"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(quoted=quoted, exec_form=exec_form, shell_word=shlex.quote)
    return environment
