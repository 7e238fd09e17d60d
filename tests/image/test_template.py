"""Templates of the user's own."""

from __future__ import annotations

import pytest

from bentopack.image.dialect import CLASSIC
from bentopack.image.planner import plan_image
from bentopack.image.render import render_dockerfile
from bentopack.image.validate import PlanError

from .conftest import Make

EXTENDING = """{% extends bento_base_template %}
{% block SETUP_BENTO_COMPONENTS %}
{{ super() }}
RUN echo {{ bento__path }}
{% endblock %}
{% block SETUP_BENTO_ENTRYPOINT %}
{{ super() }}
LABEL mine=1
{% endblock %}
"""


def rendered(manifest: Make, template: str | None) -> str:
    return render_dockerfile(plan_image(manifest(), "", template=template), CLASSIC)


def test_a_template_extends_ours(manifest: Make) -> None:
    """A block is replaced, holds ours where it says so, and all the rest is as it would be without."""
    own = [line for line in rendered(manifest, EXTENDING).splitlines() if line]
    added = ["RUN echo /bento", "LABEL mine=1"]
    assert [line for line in own if line not in added] == [
        line for line in rendered(manifest, None).splitlines() if line
    ]
    assert own.index(added[0]) < own.index("USER 10001:0") < own.index(added[1])


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% extends bento_base_template %}\n{% block X %}\n", ":2: Unexpected end of template"),
        ("{{ nothing }}", ":1: it does not extend the Dockerfile"),
        ("FROM python:3.11\n", ":1: it does not extend the Dockerfile"),
        ("{% extends other %}", "'other' is undefined"),
        ("{% extends 'bento_base_template' %}", ":1: bento_base_template is a name, and stands without quotes"),
        (f"{EXTENDING}{{% block SETUP_BENTO_COMPONENT %}}x{{% endblock %}}", "did you mean 'SETUP_BENTO_COMPONENTS'?"),
        (
            "{% extends bento_base_template %}\n{% block SETUP_BENTO_COMPONENTS %}RUN x{% endblock %}",
            ":2: the block SETUP_BENTO_COMPONENTS lacks {{ super() }}",
        ),
        (EXTENDING.replace("bento__path", "nothing"), ":4: 'nothing' is undefined"),
        (EXTENDING.replace("bento__path", "''.__class__.__mro__"), "unsafe"),
        (EXTENDING.replace("bento__path", "1 // 0"), "division"),
        (EXTENDING.replace("{{ bento__path }}", "{% include '../../etc/passwd' %}"), "etc/passwd"),
    ],
)
def test_what_is_no_template_is_told(manifest: Make, template: str, said: str) -> None:
    """A mistake is one error, with its line where that is known; a template can do nothing but write text."""
    with pytest.raises(PlanError, match=r"docker\.dockerfile_template") as caught:
        rendered(manifest, template)
    assert said in caught.value.message
    assert "extends bento_base_template" in str(caught.value.hint)


def test_all_that_is_wrong_is_told_at_once(manifest: Make) -> None:
    """Each with its line."""
    template = "{% extends bento_base_template %}\n{% block X %}{% endblock %}\n{% block Y %}{% endblock %}"
    with pytest.raises(PlanError) as caught:
        rendered(manifest, template)
    assert [line.split(":")[1] for line in caught.value.message.splitlines()] == ["2", "3"]
