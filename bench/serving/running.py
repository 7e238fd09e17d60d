"""One server, from its start to its end."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from bench.serving.environments import HERE, compiled, interpreter, work
from bench.serving.measure import Tree
from bench.serving.servers import Server
from bench.serving.workloads import Body, Workload

_READY = 120.0
"""Seconds for a server to start."""
_STEADY = 4
"""Answers in a row after which a server is ready: of several processes all should have loaded."""
_LOADED = 30.0
"""Seconds more in which all its workers should have loaded."""
_SETTLE = 40.0
"""Seconds for a server to work off what clients have left behind."""
_END = 4.0
"""Seconds for a server to stop by itself, before it is killed."""
_DEBUGGING = ("OPENBLAS_CORETYPE", "PYTHONDONTWRITEBYTECODE", "PYTHONDEVMODE", "PYTHONTRACEMALLOC")


class ServerError(Exception):
    """A server did not start, or did not answer."""


@dataclass(frozen=True)
class Target:
    """Where requests go, and what they carry."""

    port: int
    paths: tuple[str, ...]
    body: Body


class Running:
    """A server's processes. It is the caller's to leave the context: then none of them is left."""

    def __init__(self, server: Server, workload: Workload, variables: Mapping[str, str] | None = None) -> None:
        self.server = server
        self.workload = workload
        body = workload.body(server.form, work() / "bodies")
        self.target = Target(_free_port(), (server.path,), body)
        self._body = body.path.read_bytes()
        self._log_path = work() / "logs" / f"{server.name.replace(', ', '-').replace(' ', '-')}.{workload.name}.log"
        self._variables = variables or {}
        self.started = 0.0
        self.first_answer = 0.0
        """Seconds from the start of the process to the first good answer."""

    def __enter__(self) -> Running:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self.device = work() / "device"
        self.device.unlink(missing_ok=True)
        command, environment = self._command(), self._environment()
        with self._log_path.open("wb") as log:
            self.started = time.monotonic()
            self._process = subprocess.Popen(
                command,
                cwd=HERE / "apps",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.tree = Tree(self._process.pid)
        try:
            self._wait_ready()
            self._wait_idle()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop()

    def ask(self, timeout: float = 10) -> tuple[int, bytes]:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.target.port, timeout=timeout)
        try:
            connection.request(
                "POST", self.target.paths[0], self._body, {"Content-Type": self.target.body.content_type}
            )
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def settle(self) -> None:
        """Wait until the server has worked off what the last clients left, so that it is not the next ones' to pay."""
        until = time.monotonic() + _SETTLE
        while time.monotonic() < until:
            began = time.monotonic()
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask(timeout=5)[0] == 200 and time.monotonic() - began < 0.1:
                    return
            time.sleep(0.05)

    def _wait_ready(self) -> None:
        steady, last = 0, "no answer"
        while steady < _STEADY:
            if self._process.poll() is not None or time.monotonic() - self.started > _READY:
                raise ServerError(
                    f"{self.server.name} did not serve {self.workload.name}: {last}; see {self._log_path}"
                )
            try:
                status, content = self.ask()
            except (OSError, http.client.HTTPException) as error:
                steady, last = 0, repr(error)
                time.sleep(0.005)
                continue
            last = f"{status} {content[:200]!r}"
            if status != 200:
                steady = 0
                time.sleep(0.005)
                continue
            if not self.workload.is_answer(content):
                raise ServerError(f"{self.server.name} answered {self.workload.name} with {content[:200]!r}")
            self.first_answer = self.first_answer or time.monotonic() - self.started
            steady += 1

    def _wait_idle(self) -> None:
        """Wait until nothing more is loaded: a server may answer while some of its workers are still starting."""
        until = time.monotonic() + _LOADED
        calm = 0
        while calm < 2 and time.monotonic() < until:
            before = self.tree.seconds()
            time.sleep(0.2)
            calm = calm + 1 if self.tree.seconds() - before <= 0.02 else 0

    def _command(self) -> list[str]:
        python = interpreter(self.server.environment or self.server.family)
        programs = compiled("echo").parent
        words = shlex.split(self.server.command)
        return [each.format(bin=python.parent, port=self.target.port, programs=programs) for each in words]

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in _DEBUGGING}
        return {
            **inherited,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": str(HERE / "apps"),
            "PORT": str(self.target.port),
            "BENTOML_DO_NOT_TRACK": "True",
            "BENTOML_HOME": str(work() / "bentoml"),
            "BENCH_WORKLOAD": self.workload.name,
            "BENCH_WORKERS": str(self.workload.workers),
            "BENCH_DEVICE": str(self.device),
            **self.server.variables,
            **self._variables,
        }

    def _stop(self) -> None:
        self.tree.processes()
        try:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_END)
        finally:  # we may be ended meanwhile
            self.tree.kill()
            self._process.wait(10)


def _free_port() -> int:
    """A port below those that clients get, so that no connection of theirs can be in the way."""
    for _ in range(200):
        port = random.randrange(15000, 30000)  # noqa: S311
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise ServerError("no port is free")
