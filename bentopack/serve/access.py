"""The access log: a line a request, many written at once, since a log record costs a third of what a request does."""

from __future__ import annotations

import logging

_log = logging.getLogger("bentopack.serve.access")

Line = tuple[str, str, int, float, bytes]
"""The client's address, the method and the path, the status, the seconds until the answer, and the request's id."""

_requests: list[Line] = []
note = _requests.append
"""Keep a request for the next time that lines are written. Only where ``is_on()``."""


def is_on() -> bool:
    """Whether requests are logged."""
    return not _log.disabled


def write() -> None:
    """Write what was kept, in the form and to the places that logging is set to, each line with the same time."""
    if not _requests:
        return
    requests = _requests.copy()
    _requests.clear()
    mark = "\0"
    record = _log.makeRecord(_log.name, logging.INFO, "", 0, mark, (), None)
    for handler in logging.getLogger("bentopack.serve").handlers:
        if isinstance(handler, logging.StreamHandler):
            before, _, after = handler.format(record).partition(mark)
            handler.acquire()
            try:
                lines = [
                    f'{before}{client} "{asked}" {status} {seconds * 1000:.1f}ms {request.decode()}{after}\n'
                    for client, asked, status, seconds, request in requests
                ]
                handler.stream.write("".join(lines))
                handler.flush()
            except Exception:  # whoever read the log has gone, or the disk is full: no reason to stop serving
                handler.handleError(record)
            finally:
                handler.release()
