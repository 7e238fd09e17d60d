"""``@bentopack.service`` and ``@bentopack.api``: they note what a class serves and leave it a plain class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar, overload

from bentopack.errors import did_you_mean
from bentopack.spec import defaults
from bentopack.tag import NAME_PATTERN, is_name, slug

SERVICE_MARK = "__bentopack_service__"
API_MARK = "__bentopack_api__"

# "concurrency" and "external_queue" speak to a cluster's autoscaler; they are recorded.
_TRAFFIC = ("timeout", "max_concurrency", "concurrency", "external_queue")

Class = TypeVar("Class", bound=type)
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class ServiceOptions:
    """What ``@bentopack.service`` was told."""

    name: str
    workers: int | Literal["cpu_count"] = defaults.WORKERS
    traffic: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError(f"@service: name: '{self.name}' does not match {NAME_PATTERN}")
        if self.workers != "cpu_count":
            _require_count("@service: workers", self.workers, otherwise=", or 'cpu_count'")
        _check_names("@service: traffic", self.traffic, _TRAFFIC)
        if "max_concurrency" in self.traffic:
            _require_count("@service: traffic.max_concurrency", self.traffic["max_concurrency"])
        timeout: Any = self.traffic.get("timeout", 1)
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0:
            raise ValueError(f"@service: traffic.timeout: expected seconds above 0, found {timeout!r}")


@dataclass(frozen=True)
class ApiOptions:
    """What ``@bentopack.api`` was told. ``max_batch_size`` counts rows."""

    name: str
    route: str
    batchable: bool = defaults.BATCHABLE
    one_row: bool = defaults.ONE_ROW
    batch_dim: int = defaults.BATCH_DIM
    max_batch_size: int = defaults.MAX_BATCH_SIZE
    max_latency_ms: int = defaults.MAX_LATENCY_MS
    max_concurrency: int | None = defaults.MAX_CONCURRENCY
    isolate_errors: bool = defaults.ISOLATE_ERRORS

    def __post_init__(self) -> None:
        where = f"@api on {self.name}"
        if not self.route.startswith("/"):
            raise ValueError(f"{where}: the route '{self.route}' must begin with '/'")
        if self.route.rstrip("/") in defaults.RESERVED_ROUTES or self.route == "/":
            raise ValueError(f"{where}: the route '{self.route}' is one of the runtime's own")
        for name in ("batchable", "one_row", "isolate_errors"):
            if (value := getattr(self, name)) not in (True, False):
                raise ValueError(f"{where}: {name}: expected True or False, found {value!r}")
        if self.one_row and not self.batchable:
            raise ValueError(f"{where}: one_row says how a batchable API is called; add batchable=True")
        if not (self.isolate_errors or self.batchable):
            raise ValueError(f"{where}: isolate_errors says how a batchable API fails; add batchable=True")
        _require_count(f"{where}: batch_dim", self.batch_dim, least=0)
        _require_count(f"{where}: max_batch_size", self.max_batch_size)
        _require_count(f"{where}: max_latency_ms", self.max_latency_ms)
        if self.max_concurrency is not None:
            _require_count(f"{where}: max_concurrency", self.max_concurrency, otherwise=", or None")


@overload
def service(cls: Class, /) -> Class: ...
@overload
def service(
    *,
    name: str = ...,
    workers: int | Literal["cpu_count"] = ...,
    traffic: Mapping[str, Any] = ...,
    resources: Mapping[str, Any] = ...,
) -> Callable[[Class], Class]: ...
def service(cls: type | None = None, /, **options: Any) -> Any:
    """Mark a class as a service.

    Args:
        name: what Bentos of it are called; the class's name in snake case by default.
        workers: how many processes each hold a copy of the model, or ``"cpu_count"``.
        traffic: ``timeout`` in seconds and ``max_concurrency``, the requests held at once; more get a 503.
        resources: what a cluster should give it; recorded in the Bento.

    Raises:
        TypeError: an option that does not exist.
        ValueError: an option's value that cannot be.
    """
    _check_names("@service", options, [each.name for each in fields(ServiceOptions)])

    def mark(target: Any) -> Any:
        if not isinstance(target, type):
            raise TypeError(f"@service goes on a class, found {target!r}")
        setattr(target, SERVICE_MARK, ServiceOptions(**{"name": slug(target.__name__), **options}))
        return target

    return mark if cls is None else mark(cls)


@overload
def api(function: Function, /) -> Function: ...
@overload
def api(
    *,
    name: str = ...,
    route: str = ...,
    batchable: bool = ...,
    one_row: bool = ...,
    batch_dim: int = ...,
    max_batch_size: int = ...,
    max_latency_ms: int = ...,
    max_concurrency: int | None = ...,
    isolate_errors: bool = ...,
) -> Callable[[Function], Function]: ...
def api(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Mark a method of a service as an API, called by ``POST <route>``.

    Args:
        name: its name in metrics and documents; the method's by default.
        route: its path; ``/<name of the method>`` by default.
        batchable: join the rows of several requests into one call. Every parameter is then a batch: an array along
            ``batch_dim``, or a ``list[...]``, and so is the result, with as many rows.
        one_row: a request carries one row instead of a batch of them, and is answered with that row of the result.
        batch_dim: the dimension of arrays along which rows are joined.
        max_batch_size: the most rows in one call.
        max_latency_ms: a request that has waited longer is answered 503 and never reaches the model.
        max_concurrency: how many requests may be under way at once, in each front end; more are answered 503.
        isolate_errors: when a batch raises, call it again in halves until the request at fault fails alone. False where
            a call must not be repeated: all requests of the batch then fail.

    Raises:
        TypeError: an option that does not exist.
        ValueError: an option's value that cannot be.
    """
    _check_names("@api", options, [each.name for each in fields(ApiOptions)])

    def mark(target: Any) -> Any:
        if not callable(target) or isinstance(target, type):
            raise TypeError(f"@api goes on a method, found {target!r}")
        setattr(target, API_MARK, ApiOptions(**{"name": target.__name__, "route": f"/{target.__name__}", **options}))
        return target

    return mark if function is None else mark(function)


def service_options(target: object) -> ServiceOptions | None:
    """Return what ``@service`` noted on a class, or None where it is no service."""
    options = getattr(target, SERVICE_MARK, None)
    return options if isinstance(options, ServiceOptions) else None


def api_methods(cls: type) -> dict[str, ApiOptions]:
    """Return the options of each API of a class by its method's name, in the order of the source, bases first."""
    found: dict[str, ApiOptions] = {}
    for base in reversed(cls.__mro__):
        for name in vars(base):
            options = getattr(getattr(cls, name, None), API_MARK, None)
            if isinstance(options, ApiOptions):
                found[name] = options
    return found


def _check_names(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    names = list(known)
    for name in given:
        if name not in names:
            raise TypeError(f"{where}: unknown option '{name}'{did_you_mean(name, names)} known: {', '.join(names)}")


def _require_count(where: str, value: object, *, least: int = 1, otherwise: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{where}: expected a whole number from {least}{otherwise}, found {value!r}")
