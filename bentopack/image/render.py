"""Renders a plan as the text of a Dockerfile: pure, from the templates alone.

There is one text a dialect (``bentopack.image.dialect``). None begins with a ``# syntax=`` line unless it is asked for:
that makes every build fetch an image of the frontend first.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from bentopack._resources import resource_dir
from bentopack.image import validate
from bentopack.image.dialect import CLASSIC, Dialect
from bentopack.image.plan import ImagePlan
from bentopack.image.table import UV_HASHES, UV_VERSION
from bentopack.image.template import render_own
from bentopack.image.validate import PlanError

if TYPE_CHECKING:
    from jinja2 import Environment

# What pip reads from a file that a variable names: https://pip.pypa.io/en/stable/topics/configuration/ and
# https://requests.readthedocs.io/en/latest/user/authentication/#netrc-authentication.
_SECRET_VARIABLES = {"pip.conf": "PIP_CONFIG_FILE", "netrc": "NETRC"}

# By which programs are told whom to trust: OpenSSL's (uv, Python), pip's, requests', curl's, and apk's.
_TRUST = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CA_CERT_FILE")


def render_dockerfile(
    plan: ImagePlan,
    dialect: Dialect = CLASSIC,
    *,
    secrets: Iterable[str] = (),
    ca_bundle: bool = False,
    model_images: Mapping[str, str] | None = None,
    created: str | None = None,
) -> str:
    """Render the Dockerfile of ``plan``; its context is the Bento's folder.

    Args:
        plan: what the image is to be.
        dialect: what the builder understands.
        secrets: ids of build secrets, mounted while Python packages are installed. ``pip.conf`` and ``netrc`` are
            used by pip, one named as variables are fills in ``${NAME}`` in the address of an index, and others are
            there for what a package's own build may look for.
        ca_bundle: whether there is a secret ``ca-bundle``, with the certificates that the build is to trust.
        model_images: images that hold models, by the models' paths in the Bento.
        created: when the image counts as made, for a builder that gives what it writes that time, and else takes what
            it wrote for another time out of its cache.

    Raises:
        PlanError: secrets for a builder that has none, or an id that is no file name.
    """
    ids = tuple(validate.secret_id(name) for name in secrets)
    require_mounts(dialect, secrets=bool(ids), ca_bundle=ca_bundle)
    values: dict[str, Any] = {
        "plan": plan,
        "dialect": dialect,
        "ca_bundle": CA_BUNDLE if ca_bundle else None,
        "copy": lambda: "COPY --link " if dialect.links else "COPY ",
        "run": lambda mounts=(): _run(mounts, ca_bundle=ca_bundle),
        # Secrets are told to pip alone: a pip.conf may name another index than the lock does.
        "created": created,
        "model_images": dict(model_images or {}),
        "installer": "pip" if ids else plan.installer,
        "pip_mounts": _mounts("pip", ids) if dialect.mounts else (),
        "uv_mounts": _mounts("uv", ()) if dialect.mounts else (),
        "conda_mounts": ("--mount=type=cache,target=/opt/conda/pkgs",) if dialect.mounts else (),
        # What conda has is seen by what pip has, which lies above it.
        "venv_options": "--without-pip" + (" --system-site-packages" if plan.base.conda_image else ""),
        "pip_variables": tuple(_pip_variables(ids)),
        "uv_requirement": " \\\n        ".join(
            [f"echo uv=={UV_VERSION}", *(f"--hash=sha256:{each}" for each in UV_HASHES)]
        ),
    }
    ours = _templates().get_template("Dockerfile.j2")
    return ours.render(values) if plan.template is None else render_own(plan.template, ours, values)


def require_mounts(dialect: Dialect, *, secrets: bool, ca_bundle: bool) -> None:
    """Refuse what would end in a layer where a builder mounts nothing.

    Raises:
        PlanError: names the option.
    """
    if (secrets or ca_bundle) and not dialect.mounts:
        option = "--secret" if secrets else "--ca-bundle"
        raise PlanError(f"{option} needs BuildKit, and this engine's client has none", hint=INSTALL_BUILDX)


def render_dockerignore(plan: ImagePlan, elsewhere: Collection[str] = ()) -> str:
    """Leave all out of the context but what a layer is made from, unless that comes from elsewhere.

    Builders find it beside the Dockerfile, under the Dockerfile's name with ``.dockerignore`` after it.
    """
    kept = sorted({path for layer in plan.layers for path in layer.paths if path not in elsewhere})
    return "\n".join(["*", *(f"!{path}" for path in kept)]) + "\n"


def quoted(text: str) -> str:
    r"""Write free text as one double-quoted word of ENV or LABEL, in which ``\``, ``"`` and ``$`` are special."""
    for special in ("\\", '"', "$"):
        text = text.replace(special, f"\\{special}")
    return f'"{text}"'


def exec_form(words: Iterable[str]) -> str:
    """Write words as an instruction's JSON form, which no shell reads."""
    return json.dumps(list(words))


def _run(mounts: Sequence[str], *, ca_bundle: bool) -> str:
    """Begin an instruction whose command uses the network: what it mounts, and which certificates it trusts."""
    words = [*mounts]
    if ca_bundle:
        words.append(f"--mount=type=secret,id={CA_BUNDLE},required=true,mode=0444")
    begun = "RUN " + "".join(f"{word} \\\n    " for word in words)
    if not ca_bundle:
        return begun
    return f'{begun}for name in {" ".join(_TRUST)}; do export "$name=/run/secrets/{CA_BUNDLE}"; done \\\n && '


def _mounts(installer: str, secrets: Sequence[str]) -> list[str]:
    return [
        f"--mount=type=cache,target=/root/.cache/{installer}",
        *(f"--mount=type=secret,id={name},required=true" for name in secrets),
    ]


def _pip_variables(secrets: Sequence[str]) -> Iterator[str]:
    """What tells pip of the secrets."""
    for name in secrets:
        if name in _SECRET_VARIABLES:
            yield f"{_SECRET_VARIABLES[name]}=/run/secrets/{name}"
        elif re.fullmatch("[A-Z][A-Z0-9_]*", name):  # pip fills in ${NAME} in the address of an index
            yield f'{name}="$(cat /run/secrets/{name})"'


CA_BUNDLE = "ca-bundle"
"""The id of the secret that holds the certificates of ``--ca-bundle``."""

INSTALL_BUILDX = "install the docker-buildx plugin (Debian: docker-buildx, Docker's own packages: docker-buildx-plugin)"


@cache
def _templates() -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Somebody else's Bento may bring a template, which is to write text and nothing else.
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(resource_dir("templates") / "dockerfile"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(quoted=quoted, exec_form=exec_form, shell_word=shlex.quote)
    return environment
