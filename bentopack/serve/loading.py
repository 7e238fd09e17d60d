"""Importing what is served, with errors that a user can act on."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from bentopack.errors import ServeError, did_you_mean
from bentopack.serve.child import ChildSettings, import_from_source
from bentopack.serve.service import Service, describe
from bentopack.serve.tracebacks import user_traceback


def load_service(settings: ChildSettings) -> Service:
    """Import the service that a process of the supervisor's is to hold.

    Raises:
        ServeError: as ``load_target``, or it is no service.
    """
    import_from_source(settings.config)
    target = settings.config.service.target
    return describe(load_target(target), target)


def load_target(target: str) -> Any:
    """Import ``module:attribute`` (the attribute may be dotted).

    Raises:
        ServeError: it is not there, or importing it raised.
    """
    module_name, _, path = target.partition(":")
    if not module_name or not path:
        raise ServeError(f"'{target}' is not an import string", hint="expected module:attribute, such as service:Iris")
    found: Any = _import(module_name)
    for name in path.split("."):
        if not hasattr(found, name):
            near = did_you_mean(name, dir(found))
            raise ServeError(f"'{target}' cannot be loaded: '{module_name}' has no '{name}'{near}")
        found = getattr(found, name)
    return found


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise ServeError(f"'{name}' cannot be imported\n{user_traceback(error)}") from None
        raise ServeError(f"there is no module '{name}'", hint=f"looked in {', '.join(sys.path[:1])} first") from None
    except (Exception, SystemExit) as error:
        raise ServeError(f"'{name}' cannot be imported\n{user_traceback(error)}") from None
