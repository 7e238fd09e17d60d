"""A front-end process that runs a plain application: ASGI as it is, WSGI on threads."""

from __future__ import annotations

import inspect
from typing import Any, cast

from bentopack.errors import ServeError
from bentopack.serve import child
from bentopack.serve.asgi import App
from bentopack.serve.gate import Gate
from bentopack.serve.httpd import run_server
from bentopack.serve.loading import load_target


def as_asgi(app: Any, spelling: str) -> App:
    """Return an application as ASGI, whichever of the two it is.

    Raises:
        ServeError: it is a class, a factory, or nothing that can be called with a request.
    """
    if inspect.isclass(app):
        raise ServeError(f"'{spelling}' is a class, not an application", hint="name an instance: app = MyApp()")
    if not callable(app):
        raise ServeError(f"'{spelling}' is no ASGI or WSGI application: it cannot be called")
    if _is_async(app):
        return cast(App, app)
    wanted = _positional(app)
    if wanted == 3:  # a plain function that returns the awaitable, such as a wrapper around an application
        return cast(App, app)
    if wanted == 0:
        raise ServeError(
            f"'{spelling}' is a factory, not an application", hint="call it in the module: app = create_app()"
        )
    if wanted not in (2, None):
        raise ServeError(
            f"'{spelling}' is no ASGI or WSGI application: it takes {wanted} arguments",
            hint="ASGI is `async def app(scope, receive, send)`, WSGI is `def app(environ, start_response)`",
        )
    from a2wsgi import WSGIMiddleware

    return cast(App, WSGIMiddleware(app))


def _is_async(app: Any) -> bool:
    target = inspect.unwrap(app) if inspect.isroutine(app) else type(app).__call__
    return inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(app)


def _positional(app: Any) -> int | None:
    """Count the positional parameters without a default; None where the call takes any number."""
    parameters = inspect.signature(app).parameters.values()
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return None
    return sum(
        each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) and each.default is each.empty
        for each in parameters
    )


def main() -> None:
    """Run an application; the supervisor gives its settings."""
    settings = child.begin()
    child.import_from_source(settings.config)
    with child.reporting(settings):
        target = settings.config.service.target
        app = as_asgi(load_target(target), target)
    # Requests are accepted only after the application's own startup: a process that answers is ready.
    gate = Gate(app, waiting_for=lambda: "", label=lambda path: "app")
    run_server(settings, gate, on_tick=gate.tell, ws="auto")


if __name__ == "__main__":
    main()
