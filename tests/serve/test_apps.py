"""Plain ASGI and WSGI applications behind the same probes, metrics and signals."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from a2wsgi import WSGIMiddleware

from bentopack.errors import ServeError
from bentopack.serve.apps import as_asgi
from tests.serve.conftest import Start
from tests.serve.running import wait_for

FASTAPI = """
import asyncio, os
from contextlib import asynccontextmanager
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    app.state.loaded = True
    yield
    print("app ended", flush=True)

app = FastAPI(lifespan=lifespan)

@app.get("/items/{n}")
async def item(n: int):
    return {"n": n, "loaded": app.state.loaded, "pid": os.getpid()}

@app.get("/slow")
async def slow():
    await asyncio.sleep(1)
    return "done"
"""

FLASK = """
from flask import Flask, request
app = Flask(__name__)

@app.post("/echo")
def echo():
    return {"got": request.get_json()}
"""


def test_asgi_application(start: Start) -> None:
    """A FastAPI app is served as it is, its lifespan and its own /docs included; the probes are ours."""
    running = start(FASTAPI, kind="app", workers=2)
    answer = running.client.get("/items/7").json()
    assert (answer["n"], answer["loaded"]) == (7, True)
    assert running.client.get("/items/x").status_code == 422
    assert "swagger" in running.client.get("/docs").text.lower()
    assert running.client.get("/readyz").json() == {"status": "ready"}
    metrics = running.client.get("/metrics").text
    assert 'bentopack_requests_total{api="app",status="200"}' in metrics
    assert len(running.pids("serve.apps")) == 2
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(httpx.get, f"{running.client.base_url}/slow", timeout=20)
        time.sleep(0.3)
        running.process.terminate()
        assert slow.result().status_code == 200
    assert running.process.wait(10) == 0
    running.wait_output("app ended")


def test_wsgi_application(start: Start) -> None:
    """A Flask app is served through threads."""
    running = start(FLASK, kind="app", declared_workers=None)
    assert running.json("/echo", {"a": 1}).json() == {"got": {"a": 1}}
    assert running.client.get("/nothing").status_code == 404
    assert running.client.get("/livez").status_code == 200


def test_killed_application_process_comes_back(start: Start) -> None:
    """A process of an application that dies is replaced, on the same port."""
    running = start(FASTAPI, kind="app")
    (pid,) = running.pids("serve.apps")
    running.signal(pid, signal.SIGKILL)
    wait_for(lambda: running.pids("serve.apps") not in ([], [pid]), 5)
    # The supervisor still listens: a client that comes in between waits for the next process.
    assert httpx.get(f"{running.client.base_url}/items/1", timeout=20).json()["pid"] != pid


async def _asgi(scope: Any, receive: Any, send: Any) -> None: ...


class _Asgi:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


def _wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


def _wrapper(scope: Any, receive: Any, send: Any) -> Any:
    return _asgi(scope, receive, send)


def _factory() -> None: ...


def test_both_kinds_are_told_apart() -> None:
    """ASGI is known by its coroutine (a function or an instance) or its three arguments; WSGI by its two."""
    instance = _Asgi()
    assert as_asgi(_asgi, "m:app") is _asgi
    assert as_asgi(instance, "m:app") is instance
    assert isinstance(as_asgi(_wsgi, "m:app"), WSGIMiddleware)
    assert as_asgi(_wrapper, "m:app") is _wrapper


@pytest.mark.parametrize(
    ("wrong", "words"),
    [(_Asgi, "is a class"), (_factory, "is a factory"), (3, "cannot be called"), (lambda a, b, c, d: 0, "4 arguments")],
)
def test_what_is_no_application_is_refused(wrong: Any, words: str) -> None:
    """A class, a factory and anything else is refused with what to write instead."""
    with pytest.raises(ServeError, match=words):
        as_asgi(wrong, "m:app")
