"""Each request has an id, in its answer, in the access log, and where its failure is logged."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.serve.running import Running

SOURCE = """
import bentopack

@bentopack.service
class Service:
    @bentopack.api
    def echo(self, text: str) -> str:
        return text

    @bentopack.api
    def fail(self, text: str) -> str:
        raise RuntimeError("broken")

    @bentopack.api(batchable=True)
    async def rows(self, values: list[int]) -> list[object]:
        return [object() for _ in values]
"""


def test_an_answer_has_its_requests_id(shared: Running) -> None:
    """The client's id comes back and is logged; without one each answer has one of its own."""
    answer = shared.client.post("/echo", json={"text": "a"}, headers={"X-Request-ID": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    made = [shared.client.request(method, "/echo").headers["x-request-id"] for method in ("POST", "POST", "GET")]
    assert len(set(made)) == 3
    shared.wait_output("mine-1")
    assert re.search(r'"POST /echo" 200 [.0-9]+ms mine-1$', shared.output, re.MULTILINE)
    for each in made:
        shared.wait_output(f"ms {each}")


def _pieces() -> Iterator[bytes]:
    yield b'{"text": "a"}'


@pytest.mark.parametrize("way", ["short", "long"])
def test_a_failure_is_found_by_the_id(shared: Running, way: str) -> None:
    """The log leads from the id to the traceback, which only the worker has."""
    content = _pieces() if way == "long" else b'{"text": "a"}'
    answer = shared.client.post("/fail", content=content, headers={"X-Request-ID": f"{way}-way"})
    assert answer.status_code == 500
    shared.wait_output(f"request {way}-way failed: ")
    found = re.search(rf"request {way}-way failed: ([0-9a-f]{{8}}) in the log of worker 0", shared.output)
    assert found
    shared.wait_output(f"fail failed ({found[1]})")


def test_a_result_that_cannot_be_written_is_found_too(shared: Running) -> None:
    """So is what goes wrong after the call."""
    assert shared.json("/rows", {"values": [1]}).status_code == 500
    shared.wait_output("rows returned what cannot be written (")
