"""Tracebacks of the user's code, without the frames of the runtime around it."""

from __future__ import annotations

import traceback
from pathlib import Path

_OURS = (str(Path(__file__).parent), "<frozen importlib", str(Path(traceback.__file__).parent / "concurrent"))


def user_traceback(error: BaseException) -> str:
    """Format an exception, leaving out the frames that are ours or the interpreter's import machinery."""
    whole = traceback.TracebackException.from_exception(error)
    link: traceback.TracebackException | None = whole
    while link is not None:
        kept = [frame for frame in link.stack if not frame.filename.startswith(_OURS)]
        link.stack = traceback.StackSummary.from_list(kept)
        link = link.__cause__ or link.__context__
    return "".join(whole.format()).rstrip()
