"""No string of a manifest breaks out of its place in the Dockerfile."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentopack.image.planner import plan_image
from bentopack.image.render import render_dockerfile
from bentopack.image.validate import PlanError
from bentopack.spec.manifest import ImageInfo, ModelInfo, VariantInfo

from .conftest import make_manifest

# Every character that some parser on the way gives a meaning to, and pieces of instructions.
_PIECES = [
    *"\n\r\t\0 \"'\\$`#{}%[]<>=,;&|()!*?:/@-.",
    "é",
    "\u2028",
    "RUN ",
    "\nRUN id",
    "a",
    "B",
    "1",
    "${X}",
    "{{ 1 }}",
]
# The first rendering compiles the templates, which says nothing about the others' time.
untimed = settings(deadline=None)
nasty = st.lists(st.sampled_from(_PIECES), max_size=8).map("".join)


def instructions(text: str) -> list[tuple[str, str]]:
    """Read a Dockerfile as its builders do: comments dropped, lines that end with a backslash joined."""
    found, current = [], ""
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        current += re.sub(r"\\[ \t]*$", "", line)
        if not re.search(r"\\[ \t]*$", line):
            keyword, _, rest = current.strip().partition(" ")
            found.append((keyword, rest))
            current = ""
    assert not current
    return found


def pairs(text: str) -> list[tuple[str, str]]:
    """Read the ``name="value"`` words of ENV or LABEL, and undo their quoting."""
    word = r'\s*([^\s="]+)="((?:[^"\\$]|\\.)*)"'
    assert re.fullmatch(f"(?:{word})+\\s*", text, re.DOTALL), text
    return [(name, re.sub(r"\\(.)", r"\1", value)) for name, value in re.findall(word, text, re.DOTALL)]


def rendered(*, variant: str = "cpu", base_image: str | None = None, **fields: Any) -> list[tuple[str, str]] | None:
    """The instructions of a manifest, or None where it is refused."""
    try:
        plan = plan_image(make_manifest(**fields), "", variant=variant, base_image=base_image)
    except PlanError:
        return None
    return instructions(render_dockerfile(plan))


def shape(found: list[tuple[str, str]]) -> list[str]:
    return [keyword for keyword, _ in found]


@untimed
@given(name=nasty, value=nasty)
def test_variables_and_labels(name: str, value: str) -> None:
    """Values of variables and labels arrive as they are, quotes, dollars, backslashes and all, or are refused."""
    plain = rendered(image=ImageInfo(env={"A": "b"}), labels={"a": "b"}, description="c")
    found = rendered(image=ImageInfo(env={name or "A": value}), labels={name or "a": value}, description=value or "c")
    if found is None or plain is None:
        return
    assert shape(found) == shape(plain)
    environment = pairs([rest for keyword, rest in found if keyword == "ENV"][-1])
    assert environment[-1] == (name or "A", value)
    assert (name or "a", value) in [pair for keyword, rest in found if keyword == "LABEL" for pair in pairs(rest)]


@untimed
@given(value=nasty)
def test_values_alone(value: str) -> None:
    """A value without a line break is never refused: everything else can be quoted."""
    found = rendered(image=ImageInfo(env={"A": value}))
    assert (found is None) == bool(re.search(r"[\n\r\0]", value))


@untimed
@given(name=nasty)
def test_system_packages(name: str) -> None:
    """A package is one word of its command, and no option of it."""
    found = rendered(image=ImageInfo(system_packages=("curl", name)))
    if found is None:
        return
    [command] = [rest for keyword, rest in found if keyword == "RUN" and "apt-get" in rest]
    listed = shlex.split(command.partition("--no-install-recommends")[2].partition("&&")[0])
    assert listed == sorted({"curl", name})
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+.:=~/_*-]*", name)


@pytest.mark.parametrize("place", ["base", "option", "cuda", "model", "requirements", "runtime", "script", "name"])
@untimed
@given(text=nasty)
def test_names_and_paths(place: str, text: str) -> None:
    """Names of images, versions, models and paths are plain, or refused."""
    plain, found = rendered(**_with(place, None)), rendered(**_with(place, text))
    if found is not None and plain is not None:
        assert shape(found) == shape(plain)


def _with(place: str, text: str | None) -> dict[str, Any]:
    """A manifest with ``text`` in one place, or what is usual there."""
    fields: dict[str, dict[str, Any]] = {
        "base": {"image": ImageInfo(base_image=text or "mine:1")},
        "option": {"base_image": text or "mine:1"},
        "cuda": {"image": ImageInfo(cuda_version="12.4" + (text or "")), "variant": "gpu"},
        "model": {"models": (_model(text or "1"),)},
        "requirements": {"variants": {"cpu": _variant(text or "env/python/cpu/requirements.lock")}},
        "runtime": {"runtime": text or "env/runtime/x.whl"},
        "script": {"image": ImageInfo(setup_script=text or "env/docker/setup_script")},
        "name": {"name": text or "iris"},
    }
    return fields[place]


def _model(version: str) -> ModelInfo:
    return ModelInfo(name="m", version=version, digest="d", framework="x", spellings=("m",))


def _variant(requirements: str) -> VariantInfo:
    return VariantInfo(platform="linux/amd64", requirements=requirements, packages=1)
