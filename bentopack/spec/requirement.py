"""Where Python packages come from: requirements, the addresses of indexes, and pip's options."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed
from pydantic import AfterValidator, BeforeValidator

from bentopack.spec.buildable import BadSource, read_source
from bentopack.spec.fields import Line, expected, refused
from bentopack.spec.scalars import plain

_WORDS = "a requirement such as numpy>=1.26"
_MIRROR = "https://packages.example.org/pytorch/whl"
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2")
# What pip would read as an option, with the key that says the same.
_OPTIONS = {
    "-r": "python.requirements_txt",
    "--requirement": "python.requirements_txt",
    "-f": "python.find_links",
    "--find-links": "python.find_links",
    "-i": "python.index_url",
    "--index-url": "python.index_url",
    "--extra-index-url": "python.extra_index_url",
    "--trusted-host": "python.trusted_host",
    "--no-index": "python.no_index",
}


def _is_source(text: str) -> bool:
    try:
        return read_source(text) is not None
    except BadSource as error:
        raise refused(f"'{text}' cannot be built: {error}") from None


def requirement(value: Any) -> str:
    """Return a requirement without its comment, or raise what was expected."""
    if not isinstance(value, str) or not value.isprintable():
        raise expected(_WORDS, value)
    text = re.sub(r"(^|\s)#.*", "", value).strip()
    if has_password(text):
        raise _password()
    if _is_source(text):
        return text
    if text.startswith("-"):
        raise _option(text)
    if text.endswith("\\"):  # would join the next line of a requirements file to it
        raise expected(_WORDS, value)
    if text.startswith((".", "/", "file:", "~")):
        raise refused(f"the path '{text}' is no package; build a wheel of it and name that under python.wheels")
    if is_archive(text):
        return text
    try:
        url = Parsed(text).url or ""
    except InvalidRequirement:
        raise expected(_WORDS, value) from None
    if url.startswith("file:"):
        raise refused(f"'{url}' is on this machine alone; name the wheel under python.wheels")
    return text


def has_password(text: str) -> bool:
    """Whether an address in the text has a password in it, or a token in the user's place; ``${VARIABLE}`` is none."""
    if re.search(r"://(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,}(:[^/@\s]*)?@", text):  # no name is as long, with digits
        return True
    return any(
        not re.fullmatch(r"\$\{[A-Za-z0-9_]+\}", secret) for secret in re.findall(r"://[^/@\s]*?:([^/@\s]+)@", text)
    )


def _password() -> Exception:
    return refused("a password in an address would end up in the lock; give it through netrc, a keyring or ${VARIABLE}")


def _option(text: str) -> Exception:
    option = re.split(r"[\s=]", text)[0]
    if key := _OPTIONS.get(option):
        return refused(f"the option '{option}' is no package; give it under {key}")
    return refused(f"the option '{option}' is no package; give it under python.pip_args")


def is_archive(text: str) -> bool:
    """Whether a requirement is nothing but the address of a package's file."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and " " not in text and parts.path.endswith(_ARCHIVES)


def index_url(value: Any) -> str:
    """Return the address of a package index; a password in it is refused, since it would end up in the lock."""
    if has_password(str(value)):  # before a message that would show it
        raise _password()
    if not isinstance(value, str) or not re.fullmatch(r"((https?|file)://|\$\{)[^\x00-\x20\x7f\"'\\]+", value):
        raise expected("an address such as https://packages.example.org/simple", value)
    return value


def torch_index(value: Any) -> bool | str:
    """Return whether PyTorch's packages come from its own index, or the address of a mirror of that."""
    value = plain(value)
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or not re.match(r"https?://[^/]", value):
        raise expected(f"true, false or the address of a mirror such as {_MIRROR}", value)
    return index_url(value)


def find_links(value: Any) -> str:
    """Return the address of a page with links, or a folder's path."""
    if has_password(str(value)):
        raise _password()
    if not isinstance(value, str) or not re.fullmatch(r"[^\x00-\x20\x7f\"'\\-][^\x00-\x20\x7f\"'\\]*", value):
        raise expected("the address of a page with links to packages", value)
    return value


def pip_args(value: str) -> str:
    """Return options for pip that a shell would read the same way."""
    if has_password(value):
        raise _password()
    try:
        shlex.split(value)
    except ValueError:
        raise expected("options as on pip's command line", value) from None
    return value


# A package, its version and its build, and a channel before it; nothing that could begin an option.
_CONDA_PACKAGE = r"[A-Za-z0-9_][^\x00-\x1f\x7f\"'\\#]*"
_CONDA_CHANNEL = r"https?://[^\x00-\x20\x7f\"'\\#?]+|[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)*"


def dependency(value: Any) -> Any:
    """Return one item of ``conda.dependencies``: a package, or a list of packages under ``pip``."""
    if isinstance(value, str) and re.fullmatch(_CONDA_PACKAGE, value):
        return value
    pip = value.get("pip") if isinstance(value, dict) and set(value) == {"pip"} else None
    if not isinstance(pip, list):
        raise expected("a package such as numpy=1.26, or a list of packages under 'pip'", value)
    return {"pip": [requirement(each) for each in pip]}


def channel(value: Any) -> str:
    """Return a conda channel: its name, or its address."""
    if has_password(str(value)) or re.search(r"/t/[^/]", str(value)):
        raise refused("a password or token in an address would end up in the lock; conda has them from `conda token`")
    if value == "defaults":
        raise refused("'defaults' is several channels, which Anaconda's terms are for; name one, such as conda-forge")
    if not isinstance(value, str) or not re.fullmatch(_CONDA_CHANNEL, value):
        raise expected("a channel such as conda-forge, or its address (https://…)", value)
    return value


Requirement: TypeAlias = Annotated[str, BeforeValidator(requirement)]
IndexUrl: TypeAlias = Annotated[str, BeforeValidator(index_url)]
TorchIndexSetting: TypeAlias = Annotated[bool | str, BeforeValidator(torch_index)]
FindLinks: TypeAlias = Annotated[str, BeforeValidator(find_links)]
PipArgs: TypeAlias = Annotated[Line, AfterValidator(pip_args)]
CondaChannel: TypeAlias = Annotated[str, BeforeValidator(channel)]
