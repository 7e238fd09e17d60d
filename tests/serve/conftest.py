"""Running services, shared by the tests of a module where that is safe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.serve.running import Running, config_of

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a service from its source; it is stopped after the test."""
    with ExitStack() as stack:

        def begin(source: str, *, ready: bool = True, **settings: Any) -> Running:
            running = stack.enter_context(Running(config_of(tmp_path, source, **settings)))
            return running.wait_ready() if ready else running

        yield begin


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for all tests of a module, from its ``SOURCE`` and its ``SETTINGS``."""
    module = request.module
    config = config_of(tmp_path_factory.mktemp("source"), module.SOURCE, **getattr(module, "SETTINGS", {}))
    with Running(config) as running:
        yield running.wait_ready()
