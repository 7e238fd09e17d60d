"""A service as a worker sees it: its class, and each API with its codec and the way its rows are joined."""

from __future__ import annotations

import inspect
import os
import sys
from dataclasses import dataclass
from typing import Any

from bentopack.errors import BentopackError, ServeError
from bentopack.serve.batching import Batching, RowBatching
from bentopack.serve.codec import Codec
from bentopack.serve.declare import ApiOptions, ServiceOptions, api_methods, service_options
from bentopack.serve.schema import Signature, read_signature
from bentopack.serve.tracebacks import user_traceback


@dataclass(frozen=True)
class Api:
    """One API: ``method`` is the name of the method on the service's class, ``signature`` what a request looks like."""

    method: str
    options: ApiOptions
    signature: Signature
    codec: Codec
    batching: Batching | None
    is_async: bool
    description: str


@dataclass(frozen=True)
class Service:
    """A class under ``@bentopack.service``, ready to be instantiated."""

    cls: type
    options: ServiceOptions
    apis: tuple[Api, ...]

    def instantiate(self) -> Any:
        """Make the instance that answers requests, with every declared model loaded.

        Raises:
            ServeError: the constructor or a model's loader raised.
        """
        try:
            instance = self.cls()
            for name in _model_names(self.cls):
                getattr(instance, name)
        except BentopackError as error:
            raise ServeError(f"{self.cls.__name__} cannot start: {error.message}", hint=error.hint) from None
        except (Exception, SystemExit) as error:
            raise ServeError(f"{self.cls.__name__} cannot start\n{user_traceback(error)}") from None
        return instance


def describe(target: object, spelling: str) -> Service:
    """Read a service class.

    Raises:
        ServeError: ``target`` is no service, has no API, or an API cannot be served as it is declared.
    """
    options = service_options(target)
    if options is None or not isinstance(target, type):
        raise ServeError(f"'{spelling}' is not a service", hint="put @bentopack.service on the class")
    apis = _apis(target)
    if not apis:
        raise ServeError(f"'{spelling}' has no API", hint="put @bentopack.api on a method")
    for what in ("route", "name"):
        found = [getattr(api.options, what) for api in apis]
        double = {each for each in found if found.count(each) > 1}
        if double:
            raise ServeError(f"'{spelling}': two APIs have the {what} {', '.join(sorted(double))}")
    return Service(target, options, apis)


def worker_count(options: ServiceOptions) -> int:
    """Return how many workers a service asks for."""
    if options.workers != "cpu_count":
        return options.workers
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _apis(cls: type) -> tuple[Api, ...]:
    """Read every API; what is wrong with several is told at once."""
    apis, wrong = [], []
    for method, options in api_methods(cls).items():
        try:
            apis.append(_api(cls, method, options))
        except ServeError as error:
            wrong.append(error)
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        raise ServeError("\n".join(map(str, wrong)))
    return tuple(apis)


def _api(cls: type, method: str, options: ApiOptions) -> Api:
    outer = getattr(cls, method)
    function = inspect.unwrap(outer)
    if any(inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each) for each in (outer, function)):
        raise ServeError(
            f"API '{options.name}': '{method}' is a generator; answers are sent whole, not streamed",
            hint="return a list, or what the parts make together",
        )
    signature = read_signature(options.name, function)
    batching = _batching(options, signature) if options.batchable else None
    asked = signature.rows(options.batch_dim) if options.one_row else signature
    return Api(
        method=method,
        options=options,
        signature=asked,
        codec=Codec(options.name, asked),
        batching=batching,
        # What is called is the outermost wrapper, whatever it wraps.
        is_async=inspect.iscoroutinefunction(outer),
        description=inspect.getdoc(function) or "",
    )


def _batching(options: ApiOptions, signature: Signature) -> Batching:
    if not signature.parameters:
        raise ServeError(f"batchable API '{options.name}' takes no parameter that could carry rows")
    for each in signature.parameters:
        if (each.array is None and not each.is_list) or each.nullable:
            raise ServeError(
                f"batchable API '{options.name}': parameter '{each.name}' must be a numpy array or a list[...]",
                hint="each parameter of a batchable API carries a batch of rows",
            )
    kind = RowBatching if options.one_row else Batching
    return kind(signature.parameters, options.batch_dim, options.max_batch_size, options.isolate_errors)


def _model_names(cls: type) -> list[str]:
    models = sys.modules.get("bentopack.models")
    if models is None:
        return []
    return [name for base in cls.__mro__ for name, value in vars(base).items() if isinstance(value, models.Model)]
