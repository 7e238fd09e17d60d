"""Declared models are loaded before the service is ready."""

from __future__ import annotations

from pathlib import Path

from bentopack.models import save_model
from tests.serve.conftest import Start

SOURCE = """
import threading
import bentopack

@bentopack.service
class Service:
    model = bentopack.model("numbers:latest")
    loaded_on = threading.current_thread().name

    def __init__(self):
        self.made_on = threading.current_thread().name

    @bentopack.api
    def add(self, n: int) -> int:
        return sum(self.model) + n

    @bentopack.api
    def threads(self) -> list[str]:
        return [self.made_on, threading.current_thread().name]
"""


def test_model_is_loaded_and_called_on_one_thread(start: Start, home: Path) -> None:
    """``self.model`` is the saved object, and the thread that made the service is the one that calls it."""
    stored = save_model("numbers", [1, 2, 3])
    running = start(SOURCE, models={"numbers:latest": str(stored.path)})
    assert running.json("/add", {"n": 4}).json() == 10
    made, called = running.client.post("/threads").json()
    assert made == called


def test_missing_model_ends_the_start(start: Start, home: Path) -> None:
    """A model that was not declared is told at the start, whether or not this machine's store happens to hold it."""
    save_model("numbers", [1, 2, 3])
    running = start(SOURCE, ready=False)
    assert running.process.wait(20) == 1
    running.wait_output("the model 'numbers:latest' is not among those")


def test_bound_models_are_read_from_their_folder(start: Start, home: Path) -> None:
    """Inside a Bento a tag means the folder that the configuration names, whatever the store holds."""
    stored = save_model("numbers", [10])
    save_model("numbers", [1000])
    running = start(SOURCE, models={"numbers:latest": str(stored.path)})
    assert running.json("/add", {"n": 1}).json() == 11
