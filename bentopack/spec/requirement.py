"""One item of ``python.packages``: a requirement as pip reads it, in one line."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed
from pydantic import BeforeValidator

from bentopack.spec.fields import expected, refused

_WORDS = "a requirement such as numpy>=1.26"
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


def is_git(text: str) -> bool:
    """Whether a requirement comes from a version control system."""
    return re.search(r"(^|@\s*|\s)(git|hg|svn|bzr)\+", text) is not None


def requirement(value: Any) -> str:
    """Return a requirement without its comment, or raise what was expected.

    What comes from a version control system is let through: ``unsupported`` speaks of it.
    """
    if not isinstance(value, str) or not value.isprintable():
        raise expected(_WORDS, value)
    text = re.sub(r"(^|\s)#.*", "", value).strip()
    if text.startswith("-"):
        raise _option(text)
    if text.startswith((".", "/", "file:", "~")):
        raise refused(f"the path '{text}' is no package; build a wheel of it and name that under python.wheels")
    if is_git(text) or _is_archive(text):
        return text
    try:
        Parsed(text)
    except InvalidRequirement:
        raise expected(_WORDS, value) from None
    return text


def _option(text: str) -> Exception:
    option = re.split(r"[\s=]", text)[0]
    if key := _OPTIONS.get(option):
        return refused(f"the option '{option}' is no package; give it under {key}")
    return refused(f"the option '{option}' is no package; give it under python.pip_args")


def _is_archive(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and " " not in text and parts.path.endswith(_ARCHIVES)


def index_url(value: Any) -> str:
    """Return the address of a package index; a password in it is refused, since it would end up in the lock."""
    if not isinstance(value, str) or not re.fullmatch(r"[^\x00-\x20\x7f\"'\\]+", value):
        raise expected("an address such as https://pypi.org/simple", value)
    try:
        secret = urlsplit(value).password
    except ValueError:
        raise expected("an address such as https://pypi.org/simple", value) from None
    if secret and not re.fullmatch(r"\$\{[A-Z0-9_]+\}", secret):
        raise refused(
            "an address with a password in it would end up in the lock; "
            "give the password through netrc, a keyring or ${VARIABLE}"
        )
    return value


Requirement: TypeAlias = Annotated[str, BeforeValidator(requirement)]
IndexUrl: TypeAlias = Annotated[str, BeforeValidator(index_url)]
