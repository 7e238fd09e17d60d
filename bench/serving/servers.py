"""How each server is started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bench.serving.workloads import Form

ALL = ("w1", "w2", "w3", "w4", "w5")


@dataclass(frozen=True)
class Server:
    """A way to serve the workloads. ``{bin}`` in the command is the environment's folder of programs."""

    name: str
    family: str
    """What it is compared as; also what ``--peers`` calls it."""
    command: str
    environment: str | None = None
    """Its family's if left out."""
    workloads: tuple[str, ...] = ALL
    form: Form = "row"
    variables: Mapping[str, str] = field(default_factory=dict)
    path: str = "/predict"


def _mosec(workers: int, batch: int) -> Server:
    variables = {"BENCH_TUNED": "1", "BENCH_WORKERS": str(workers), "BENCH_BATCH": str(batch)}
    options = "--address 127.0.0.1 --capacity 32768 --timeout 60000 --log-level warning"
    command = f"{{bin}}/python mosec_app.py --port {{port}} {options}"
    return Server(f"mosec-{workers}-{batch}", "mosec", command, variables=variables)


_OURS = "{bin}/bentopack run ours:Ours --port {port}"
_UVICORN = "{bin}/uvicorn --workers 2 --loop uvloop --http httptools --no-access-log --log-level warning --backlog 4096"


def _ours(name: str, options: str = "", *, workers: int) -> Server:
    variables = {"BENCH_WORKERS": str(workers), "BENCH_BATCH": "1024"}
    return Server(f"bentopack-{name}", "bentopack", f"{_OURS} --no-access-log {options}", variables=variables)


OURS = Server("bentopack", "bentopack", f"{_OURS} --no-access-log")
TUNED = (
    _ours("1-1024", workers=1),
    _ours("2-1024", workers=2),
    _ours("inline-1", "--inline", workers=1),
    _ours("inline-2", "--inline", workers=2),
)
"""Ours as it is tuned for one workload or another, as mosec is."""
LOGGING = Server("bentopack, access log", "bentopack", _OURS)
MANY = Server("bentopack", "bentopack", "{bin}/bentopack run many:Many --port {port} --no-access-log", path="/model/0")

PEERS = (
    Server("c", "c", "{programs}/echo {port} 2", environment="bentopack", workloads=("w1",)),
    Server("asgi", "fastapi", f"{_UVICORN} --port {{port}} --lifespan off asgi_app:app", workloads=("w1",)),
    Server("fastapi", "fastapi", f"{_UVICORN} --port {{port}} fastapi_app:app"),
    Server(
        "flask-gunicorn",
        "flask",
        "{bin}/gunicorn -w 2 -b 127.0.0.1:{port} --backlog 4096 --log-level warning flask_app:app",
    ),
    Server("flask", "flask", "{bin}/flask --app flask_app run -p {port}"),
    Server("mosec", "mosec", "{bin}/python mosec_app.py --address 127.0.0.1 --port {port}"),
    *(_mosec(workers, batch) for workers in (1, 2) for batch in (256, 1024)),
    Server(
        "bentoml", "bentoml", "{bin}/bentoml serve bentoml_app:Theirs --host 127.0.0.1 --port {port} -q", form="rows"
    ),
    Server("litserve", "litserve", "{bin}/python litserve_app.py", form="base64"),
)
FAMILIES = tuple(dict.fromkeys(each.family for each in PEERS))
MOSEC = next(each for each in PEERS if each.name == "mosec-2-256")
"""The tuned one that is compared where not all tunings can be."""
STEADY = (MOSEC.name, "bentoml")
"""Peers of which one tuning is measured where that takes long."""


def chosen(families: Iterable[str]) -> list[Server]:
    """Ours and the servers of some families."""
    wanted = set(families)
    return [OURS, *TUNED, *(each for each in PEERS if each.family in wanted)]
