"""The decorators."""

from __future__ import annotations

from typing import Any

import pytest

import bentopack
from bentopack.serve.declare import ServiceOptions, api_methods, service_options


@bentopack.service
class IrisClassifier:
    @bentopack.api
    def classify(self, n: int) -> int:
        return n + 1

    @bentopack.api(route="/v2/rows", batchable=True, max_batch_size=8)
    def rows(self, values: list[int]) -> list[int]:
        return values


def test_decorated_class_stays_a_plain_class() -> None:
    """A service can be instantiated and called in a unit test, without any server."""
    assert IrisClassifier().classify(1) == 2


def test_names_and_routes_have_defaults() -> None:
    """A service is named after its class, an API and its route after the method."""
    options = service_options(IrisClassifier)
    assert options == ServiceOptions(name="iris_classifier", workers=1)
    apis = api_methods(IrisClassifier)
    assert (apis["classify"].name, apis["classify"].route) == ("classify", "/classify")
    assert (apis["rows"].route, apis["rows"].max_batch_size) == ("/v2/rows", 8)


def test_subclass_keeps_and_replaces_apis() -> None:
    """A subclass has its base's APIs, once each."""

    @bentopack.service(name="child", workers="cpu_count")
    class Child(IrisClassifier):
        @bentopack.api(route="/other")
        def classify(self, n: int) -> int:
            return n

    assert list(api_methods(Child)) == ["classify", "rows"]
    assert api_methods(Child)["classify"].route == "/other"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"worker": 2}, TypeError, "did you mean 'workers'"),
        ({"workers": 0}, ValueError, "workers: expected a whole number from 1, or 'cpu_count', found 0"),
        ({"workers": True}, ValueError, "found True"),
        ({"traffic": {"timout": 1}}, TypeError, "did you mean 'timeout'"),
        ({"traffic": {"timeout": 0}}, ValueError, "seconds above 0"),
        ({"traffic": {"max_concurrency": "many"}}, ValueError, "max_concurrency"),
        ({"name": "Not A Name"}, ValueError, "name"),
    ],
)
def test_wrong_service_options(options: dict[str, Any], error: type[Exception], words: str) -> None:
    """An option that does not exist, or cannot have that value, is refused where it is written."""
    with pytest.raises(error, match=words):
        bentopack.service(**options)(type("S", (), {}))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"batchabel": True}, TypeError, "did you mean 'batchable'"),
        ({"max_batch_size": 0}, ValueError, "max_batch_size: expected a whole number from 1, found 0"),
        ({"max_latency_ms": 1.5}, ValueError, "max_latency_ms"),
        ({"max_concurrency": 0}, ValueError, "max_concurrency: expected a whole number from 1, or None, found 0"),
        ({"batch_dim": -1}, ValueError, "batch_dim: expected a whole number from 0"),
        ({"batchable": "yes"}, ValueError, "batchable"),
        ({"isolate_errors": "no"}, ValueError, "isolate_errors: expected True or False, found 'no'"),
        ({"isolate_errors": False}, ValueError, "add batchable=True"),
        ({"route": "/metrics"}, ValueError, "route"),
    ],
)
def test_wrong_api_options(options: dict[str, Any], error: type[Exception], words: str) -> None:
    """The same for an API's options."""
    with pytest.raises(error, match=words):
        bentopack.api(**options)(lambda self: None)
