"""The serving benchmark: its load generators, its reading of processes, and its report."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.serving import environments, plots, running
from bench.serving.load import closed_loop, open_loop
from bench.serving.measure import Tree
from bench.serving.report import markdown
from bench.serving.results import Case, Results, Run
from bench.serving.running import Running, ServerError, Target
from bench.serving.sections import SECTIONS
from bench.serving.servers import OURS, PEERS, Server
from bench.serving.session import Session
from bench.serving.targets import claims
from bench.serving.workloads import WORKLOADS, Body
from tests.conftest import missing

ECHO = next(each for each in PEERS if each.name == "c")
W1 = WORKLOADS["w1"]


@pytest.fixture(scope="module", autouse=True)
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A work folder of the tests' own, and the packages that are installed here instead of an environment for each."""
    if absent := environments.missing_programs():
        missing(f"{' and '.join(absent)} not found")
    folder = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_WORK", str(folder))
        patch.setattr(running, "interpreter", lambda name: Path(sys.executable))
        yield folder


class Answering:
    """A server in a thread that answers each POST with a status, and stalls once."""

    def __init__(self, status: int, stall: float = 0) -> None:
        waits = [stall]

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(waits.pop() if waits else 0)
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Answering:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def aimed_at(answering: Answering, folder: Path) -> Any:
    """What a load generator asks of a running server."""
    path = folder / "body.json"
    path.write_text('{"x":[1]}')
    nothing = SimpleNamespace(seconds=lambda: 0.0, memory=lambda: 0)
    return SimpleNamespace(target=Target(answering.port, ("/",), Body(path, "application/json")), tree=nothing)


def test_both_loops_measure_a_server() -> None:
    """Rates, latencies, processor time and memory of a server are told, and nothing of it is left running."""
    with Running(ECHO, W1) as served:
        closed = closed_loop(served, 4, 1)
        opened = open_loop(served, 500, 1, connections=8, warm_up=0.1)
        tree = served.tree
    assert closed["rate"] > 0
    assert closed["p99_ms"] >= closed["p50_ms"] > 0
    assert closed["not_200"] == closed["broken"] == 0
    assert closed["memory_mb"] > 0
    assert 400 < opened["offered"] < 600
    assert opened["served_count"] == opened["offered"]
    assert opened["served_p50_ms"] > 0
    assert tree.processes() == []


def test_open_loop_charges_a_stall_to_all_who_waited(tmp_path: Path) -> None:
    """Requests that fell due while the server stalled count their wait, though only one had been sent."""
    with Answering(200, stall=1.0) as server:
        found = open_loop(aimed_at(server, tmp_path), 100, 1, connections=1, warm_up=0)
    assert found["lost"] == 0
    assert found["served_count"] == found["offered"] > 50
    assert found["served_p50_ms"] > 300


def test_refusals_are_counted_apart(tmp_path: Path) -> None:
    """503 is neither an answer nor a failure."""
    with Answering(503) as server:
        opened = open_loop(aimed_at(server, tmp_path), 50, 0.5, connections=4, warm_up=0)
    assert opened["refused_count"] == opened["offered"] > 10
    assert opened["served_count"] == opened["failed"] == opened["goodput"] == 0


def test_tree_knows_orphans_and_other_sessions() -> None:
    """A process whose parent has ended, in a session of its own, is still the server's, and ends with it."""
    orphan = "import subprocess, sys; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid, flush=True)"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {orphan + '; input()'!r}]).wait()"
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    assert process.stdin
    sleeper = int(process.stdout.readline())
    tree = Tree(process.pid)
    assert len(tree.processes()) == 3
    process.stdin.write("\n")
    process.stdin.close()
    process.wait(20)
    process.stdout.close()
    assert [each.pid for each in tree.processes()] == [sleeper]
    tree.kill()
    assert tree.processes() == []


def test_server_that_cannot_start_is_an_error_with_its_log() -> None:
    """A benchmark does not wait for a server that has ended."""
    with pytest.raises(ServerError, match=r"broken did not serve w1: .*; see .*broken\.w1\.log"):
        Running(Server("broken", "broken", "sh -c 'exit 3'"), W1).__enter__()


def test_our_server_is_measured_and_reported(tmp_path: Path) -> None:
    """A section leaves its figures in a file, and those make the report and the plots."""
    session = Session(tmp_path, [OURS, Server("broken", "mosec", "false")], [W1], rounds=1, seconds=1)
    SECTIONS["latency"](session)
    results = Results.read(tmp_path / "results.json")
    case = Case("latency", "w1", point=1)
    assert results.runs == session.results.runs
    assert (results.middle(case, "bentopack", "rate") or 0) > 0
    assert "broken did not serve w1" in results.error(case, "broken")
    text = markdown(results)
    assert "| w1, connections 1 | bentopack |" in text
    assert "broken did not serve w1" in text
    assert "| w1, 1 connection: p50 more than the best mosec's | - | ≤ 0 ms | not measured |" in text
    [drawn] = plots.draw(results, tmp_path)
    assert ElementTree.parse(drawn).getroot().tag.endswith("svg")  # noqa: S314 - our own file


def test_ratios_are_of_one_round_with_its_best_peer() -> None:
    """A machine that is slower in one round changes no ratio, and a family is what its best tuning is."""
    case = Case("throughput", "w1", point=256)
    rates = [
        {"bentopack": 300.0, "bentopack-inline-2": 100.0, "mosec": 50.0, "mosec-2-256": 100.0},
        {"bentopack": 30.0, "bentopack-inline-2": 60.0, "mosec": 15.0, "mosec-2-256": 10.0},
        {"bentopack": 40.0, "bentopack-inline-2": 80.0, "mosec": 4.0, "mosec-2-256": 8.0},
    ]
    runs = [
        Run(case, server, number, {"rate": rate}) for number, each in enumerate(rates) for server, rate in each.items()
    ]
    found = [each for each in claims(Results(runs=runs)) if "mosec" in each.text or "bentoml" in each.text]
    mosec, tuned, bentoml, _ = found
    assert (mosec.value, mosec.verdict) == (3.0, "met")  # of 3, 2 and 5
    assert (tuned.value, tuned.verdict) == (4.0, "met")  # of 3, 4 and 10
    assert (bentoml.value, bentoml.verdict) == (None, "not measured")


def test_the_best_of_ours_uses_the_device() -> None:
    """Which tuning that is may differ from the one with the most requests."""
    case = Case("throughput", "w2", point=256)
    shares = {"bentopack": 0.7, "bentopack-2-1024": 0.92, "mosec": 1.0}
    found = claims(Results(runs=[Run(case, server, 0, {"device_share": each}) for server, each in shares.items()]))
    assert [each.value for each in found if "share of the device" in each.text] == [0.7, 0.92]


def test_who_leaves_requests_unanswered_has_no_latency_to_compare() -> None:
    """A peer that cannot keep up with the rate is not said to be unmeasured."""
    case = Case("open-loop", "w1", "share of our maximum", 0.8)
    peers = {
        "bentopack": {"served_p99_ms": 4.0, "unanswered_share": 0.0},
        "mosec-2-256": {"served_p99_ms": 8.0, "unanswered_share": 0.0},
        "bentoml": {"unanswered_share": 0.5},
    }
    mosec, bentoml = claims(Results(runs=[Run(case, server, 0, figures) for server, figures in peers.items()]))
    assert (mosec.value, mosec.verdict) == (0.5, "met")
    assert "unanswered" in bentoml.text
    assert bentoml.verdict == "met"
    del peers["bentopack"]["served_p99_ms"]
    found = claims(Results(runs=[Run(case, server, 0, figures) for server, figures in peers.items()]))
    assert {each.verdict for each in found} == {"not measured"}


@pytest.mark.parametrize(("seconds", "verdict"), [(0.3, "met"), (0.5, "NOT MET")])
def test_a_start_is_held_against_the_peers(seconds: float, verdict: str) -> None:
    """Until the first answer, and not until the process says that it is ready."""
    case = Case("cold-start", "w1", "start", 1)
    starts = {"bentopack": seconds, "mosec-2-256": 0.4}
    mosec, bentoml = claims(
        Results(runs=[Run(case, name, 0, {"first_answer_s": each}) for name, each in starts.items()])
    )
    assert (mosec.verdict, bentoml.verdict) == (verdict, "not measured")
