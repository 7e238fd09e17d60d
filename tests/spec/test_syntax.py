"""The service as its syntax tree tells it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bentopack.errors import SpecError
from bentopack.spec.manifest import ApiInfo
from bentopack.spec.syntax import ServiceRead, read_service
from tests.doubles import write_files

PLAIN = """
import bentopack

@bentopack.service
class IrisClassifier:
    @bentopack.api
    def predict(self, text: str) -> str:
        return text
"""


def _read(folder: Path, target: str = "service:Iris", /, **files: str) -> ServiceRead:
    """Read a project of modules, by their path without ``.py``."""
    write_files(folder, {f"{name}.py": text for name, text in files.items()})
    return read_service(folder, target)


def _service(body: str) -> str:
    return f"import bentopack\nfrom bentopack import api, model\n{body}"


@pytest.mark.parametrize(
    "target",
    [
        "service:IrisClassifier",
        "service.py:IrisClassifier",
        "./service.py:IrisClassifier",
        "service",
        "service.py",
    ],
)
def test_one_service_in_every_spelling(tmp_path: Path, target: str) -> None:
    """All of BentoML's ways to name a service come to one import string."""
    service = _read(tmp_path, target, service=PLAIN).service
    assert (service.target, service.kind, service.name) == ("service:IrisClassifier", "service", "iris_classifier")


@pytest.mark.parametrize("target", ["app.iris.service:Iris", "app/iris/service.py:Iris", "app\\iris\\service.py:Iris"])
def test_a_service_in_a_package(tmp_path: Path, target: str) -> None:
    """A path and a dotted name are the same."""
    text = PLAIN.replace("IrisClassifier", "Iris")
    assert _read(tmp_path, target, **{"app/iris/service": text}).service.target == "app.iris.service:Iris"


def test_what_is_not_said_is_the_default(tmp_path: Path) -> None:
    """An API without options is one at its method's name, not batched."""
    service = _read(tmp_path, "service", service=PLAIN).service
    assert service.workers == 1
    assert service.apis == (
        ApiInfo(
            name="predict",
            route="/predict",
            batchable=False,
            batch_dim=0,
            max_batch_size=100,
            max_latency_ms=60_000,
        ),
    )


def test_defaults_are_those_of_the_runtime(tmp_path: Path) -> None:
    """What the build writes into the manifest is what the decorators do."""
    from bentopack.serve.declare import api_methods, service_options

    namespace: dict[str, type] = {}
    exec(PLAIN, namespace)  # noqa: S102 - our own text
    read = _read(tmp_path, "service", service=PLAIN).service
    options = service_options(namespace["IrisClassifier"])
    assert options is not None
    assert (read.name, read.workers) == (options.name, options.workers)
    (declared,) = api_methods(namespace["IrisClassifier"]).values()
    (api,) = read.apis
    for key in ApiInfo.__struct_fields__:
        assert getattr(api, key) == getattr(declared, key)


def test_options_and_constants(tmp_path: Path) -> None:
    """Options may be literals, or constants of this or another module of the project."""
    read = _read(
        tmp_path,
        service="""
import bentopack as bp
from bentopack import api as endpoint
import limits
from limits import LATENCY as LIMIT

SIZE: int = 32

@bp.service(name="iris", workers=2, traffic={"timeout": 3.5}, resources={"gpu": 1})
class Iris:
    @endpoint(name="p", route="/v1/predict", batchable=True, batch_dim=1, max_batch_size=SIZE, max_latency_ms=LIMIT,
        isolate_errors=False)
    async def predict(self, x): ...

    @bp.api(max_batch_size=limits.MORE, max_concurrency=3)
    def other(self, x): ...
""",
        limits="LATENCY = 200\nMORE = SAME = 7\n",
    )
    assert read.warnings == ()
    service = read.service
    assert (service.name, service.workers) == ("iris", 2)
    assert (service.traffic, service.resources) == ({"timeout": 3.5}, {"gpu": 1})
    first, second = service.apis
    assert first == ApiInfo(
        name="p",
        route="/v1/predict",
        batchable=True,
        batch_dim=1,
        max_batch_size=32,
        max_latency_ms=200,
        isolate_errors=False,
    )
    assert (second.route, second.max_batch_size, second.max_concurrency) == ("/other", 7, 3)


def test_what_is_computed_is_left_to_the_runtime(tmp_path: Path) -> None:
    """A computed option is None, with a warning at its place; a name bound twice is no constant."""
    read = _read(
        tmp_path,
        service=_service(
            "SIZE = 1\nSIZE = 2\n@bentopack.service(workers=len('ab'), traffic={'timeout': f()})\nclass Iris:\n"
            "    @api(max_batch_size=SIZE, **more)\n    def predict(self): ...\n"
        ),
    )
    assert (read.service.workers, read.service.traffic) == (None, {})
    assert read.service.apis[0].max_batch_size is None
    assert [(each.file, each.line, each.column) for each in read.warnings] == [
        ("service.py", 5, 28),
        ("service.py", 5, 47),
        ("service.py", 7, 25),
        ("service.py", 7, 33),
    ]


def test_as_many_workers_as_processors(tmp_path: Path) -> None:
    """``cpu_count`` is for the machine that serves to know."""
    text = _service("@bentopack.service(workers='cpu_count')\nclass Iris:\n    @api\n    def predict(self): ...\n")
    read = _read(tmp_path, service=text)
    assert read.service.workers is None
    assert read.warnings == ()


def test_apis_of_base_classes(tmp_path: Path) -> None:
    """APIs are inherited, base classes first; a method that overrides one has to be an API itself."""
    read = _read(
        tmp_path,
        service="""
import bentopack
import shared.base as base
from shared import Mixin

class Local(base.Base):
    @bentopack.api
    def local(self): ...

@bentopack.service
class Iris(Local, Mixin):
    def hidden(self): ...

    @bentopack.api(route="/changed")
    def base(self): ...

    @bentopack.api
    def own(self): ...
""",
        **{
            "shared/base": """
from bentopack import *
class Base:
    @api
    def base(self): ...
    @api
    def hidden(self): ...
"""
        },
        **{"shared/__init__": "from .mixin import Mixin\n"},
        **{
            "shared/mixin": """
from bentopack import api
class Mixin:
    @api
    def mixed(self): ...
"""
        },
    )
    assert [(api.name, api.route) for api in read.service.apis] == [
        ("mixed", "/mixed"),
        ("base", "/changed"),
        ("local", "/local"),
        ("own", "/own"),
    ]


def test_a_base_class_from_elsewhere_is_told(tmp_path: Path) -> None:
    """What the APIs of a library's class are, only the runtime knows; the standard library has none."""
    read = _read(
        tmp_path,
        service=_service(
            "import abc\nfrom typing import Generic\nfrom lib import Base\n@bentopack.service\n"
            "class Iris(Base, abc.ABC, Generic[T], object):\n    @api\n    def predict(self): ...\n"
        ),
    )
    assert [str(each) for each in read.warnings] == [
        "service.py:7:12: the base class Base is not in the project, so its APIs are known only at run time"
    ]


def test_a_service_under_another_name(tmp_path: Path) -> None:
    """A service may be imported, taken by ``*``, or given a second name."""
    files = {"impl": PLAIN, "service": "from impl import *\nsvc = IrisClassifier\n"}
    for target in ("service:svc", "service:IrisClassifier"):
        service = _read(tmp_path, target, **files).service
        assert (service.target, service.kind, service.name) == (target, "service", "iris_classifier")


@pytest.mark.parametrize(
    "text",
    [
        "from fastapi import FastAPI\napp = FastAPI()\n",
        "import flask\nif True:\n    app = flask.Flask(__name__)\n",
        "from elsewhere import app\n",
        "async def app(scope, receive, send): ...\n",
        "try:\n    from a import app\nexcept ImportError:\n    app = None\n",
        "app, other = make()\n",
        "app: object = make()\n",
        "from elsewhere import *\n",
    ],
)
def test_any_other_name_is_an_application(tmp_path: Path, text: str) -> None:
    """A plain ASGI or WSGI application is a valid Bento; its module gives the name."""
    service = _read(tmp_path, "main:app", main=text).service
    assert (service.kind, service.target, service.name, service.apis) == ("app", "main:app", "main", ())


def test_nothing_is_imported(tmp_path: Path) -> None:
    """Reading runs no code of the user."""
    text = PLAIN + "\nimport torch_that_is_not_there\nraise SystemExit\n"
    before = set(sys.modules)
    assert _read(tmp_path, "service", service=text).service.kind == "service"
    assert "service" not in set(sys.modules) - before


def test_declared_models(tmp_path: Path) -> None:
    """Models are found in every module that the service imports from the project, in circles too, each once."""
    read = _read(
        tmp_path,
        service="""
import bentopack
from bentopack import model as declare, models
from app import features
TAG = "iris:latest"

@bentopack.service
class Iris:
    a = bentopack.model(TAG)
    b = declare("iris:latest")
    c = models.model("scaler:v2")

    @bentopack.api
    def predict(self, text: str) -> str:
        from app.late import d
        return text
""",
        **{"app/__init__": ""},
        **{"app/features": "import service\nimport bentopack.models\nx = bentopack.models.model(tag='features')\n"},
        **{"app/late": "from bentopack import model\nd = model('late:v1')\n"},
        **{"app/unused": "import bentopack\nbentopack.model('unused:v1')\n"},
    )
    assert [(model.tag, f"{model.place.file}:{model.place.line}:{model.place.column}") for model in read.models] == [
        ("features", "app/features.py:3:5"),
        ("iris:latest", "service.py:9:9"),
        ("late:v1", "app/late.py:2:5"),
        ("scaler:v2", "service.py:11:9"),
    ]


def test_a_service_without_apis_is_told(tmp_path: Path) -> None:
    """A forgotten decorator is noticed at build."""
    read = _read(tmp_path, service="import bentopack\n@bentopack.service\nclass Iris:\n    def predict(self): ...\n")
    assert [str(each) for each in read.warnings] == [
        "service.py:3:1: the service Iris has no API; put @bentopack.api on its methods"
    ]


@pytest.mark.parametrize("text", ["\x00", "x = (" * 500, "# coding: nonsense\n"])
def test_files_that_are_no_python(tmp_path: Path, text: str) -> None:
    """Whatever a file holds, it is one error with its name."""
    with pytest.raises(SpecError, match=r"^service\.py(:\d+)*: not valid Python"):
        _read(tmp_path, service=text)


def test_a_module_through_a_link_is_not_the_projects(tmp_path: Path) -> None:
    """Code outside the project is not read."""
    outside = write_files(tmp_path / "outside", {"service.py": PLAIN})
    project = tmp_path / "project"
    project.mkdir()
    (project / "service.py").symlink_to(outside / "service.py")
    with pytest.raises(SpecError, match="there is no module 'service' in the project"):
        read_service(project, "service")
