"""The access log: a line a request, many written at once, since a log record costs a third of what a request does."""

from __future__ import annotations

import logging

_log = logging.getLogger("bentopack.serve.access")
_lines: list[str] = []


def is_on() -> bool:
    """Whether requests are logged."""
    return not _log.disabled


def note(client: str, method: str, path: str, status: int, seconds: float, request: bytes) -> None:
    """Keep a line for the next time that they are written, unless the access log is switched off."""
    if is_on():
        _lines.append(f'{client} "{method} {path}" {status} {seconds * 1000:.1f}ms {request.decode()}')


def write() -> None:
    """Write what was kept, in the form and to the places that logging is set to, each line with the same time."""
    if not _lines:
        return
    lines = _lines.copy()
    _lines.clear()
    mark = "\0"
    record = _log.makeRecord(_log.name, logging.INFO, "", 0, mark, (), None)
    for handler in logging.getLogger("bentopack.serve").handlers:
        if isinstance(handler, logging.StreamHandler):
            before, _, after = handler.format(record).partition(mark)
            handler.acquire()
            try:
                handler.stream.write("".join([f"{before}{line}{after}\n" for line in lines]))
                handler.flush()
            except Exception:  # whoever read the log has gone, or the disk is full: no reason to stop serving
                handler.handleError(record)
            finally:
                handler.release()
