"""A template of the user's own, which extends our Dockerfile's blocks: checked, and rendered."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bentopack.errors import did_you_mean
from bentopack.image.plan import BENTO, USER, VENV
from bentopack.image.validate import PlanError

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_BASE = "bento_base_template"
# Without what these hold there is no image that serves; the others may be replaced.
_NEEDED = ("SETUP_BENTO_BASE_IMAGE", "SETUP_BENTO_COMPONENTS")
_KEY = "docker.dockerfile_template"
_HOW_TO_EXTEND = "it is a Jinja template that begins with {% extends bento_base_template %}; docs/images.md shows one"

# The names, beside our own values, that BentoML's templates know.
_NAMES = {
    "bento__entrypoint": f"{VENV}/bin/python",
    "bento__path": BENTO,
    "bento__home": "/tmp",  # noqa: S108 - the container's own
    "bento__user": USER.partition(":")[0],
    "bento__uid_gid": USER,
}


def render_own(text: str, ours: Template, values: Mapping[str, Any]) -> str:
    """Render the user's template, which extends ``ours`` under the name that BentoML gives its own.

    Raises:
        PlanError: it is none that extends ours, or asks for what is not there; with its lines.
    """
    from jinja2 import TemplateSyntaxError

    environment = ours.environment
    try:
        wrong = sorted(_wrong(text, environment, ours))
        if not wrong:
            return environment.from_string(text).render({**values, **_NAMES, _BASE: ours})
    except TemplateSyntaxError as error:
        wrong = [(error.lineno, error.message or "is no template")]
    except Exception as error:  # whatever a template may do wrong while it is rendered
        wrong = [(_line_of(error), str(error))]
    told = [f"{_KEY}:{line}: {message}" if line else f"{_KEY}: {message}" for line, message in wrong]
    raise PlanError("\n".join(told), hint=_HOW_TO_EXTEND)


def _wrong(text: str, environment: Environment, ours: Template) -> Iterator[tuple[int, str]]:
    """Yield what would silently give another image than the template's author thinks, with its line."""
    from jinja2 import nodes

    tree = environment.parse(text)
    extended = tree.find(nodes.Extends)
    if extended is None:
        yield 1, "it does not extend the Dockerfile, and would replace all of it"
        return
    if isinstance(extended.template, nodes.Const):
        yield extended.lineno, f"{_BASE} is a name, and stands without quotes"
    for block in tree.find_all(nodes.Block):
        if block.name not in ours.blocks:
            near = did_you_mean(block.name, ours.blocks)
            yield block.lineno, f"there is no block {block.name}, and what is in it would be left out{near}"
        elif block.name in _NEEDED and not _calls_super(block):
            yield block.lineno, f"the block {block.name} lacks {{{{ super() }}}}, without which the image does not work"


def _calls_super(block: Any) -> bool:
    from jinja2 import nodes

    calls = block.find_all(nodes.Call)
    return any(isinstance(call.node, nodes.Name) and call.node.name == "super" for call in calls)


def _line_of(error: Exception) -> int:
    """The line of the user's template in which something went wrong; 0 where that is not known."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in reversed(frames) if frame.filename == "<template>"), 0)
