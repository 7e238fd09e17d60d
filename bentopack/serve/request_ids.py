"""What a request is called in answers and logs: as its client or a proxy says, or else by a name that is made here."""

from __future__ import annotations

import os
import re
from itertools import count

HEADER = b"x-request-id"

_is_sane = re.compile(rb"[!-~]{1,128}").fullmatch  # what is no more than a word cannot forge a line of the log
_made = b"%s-%%x" % os.urandom(8).hex().encode()
_next = count(1).__next__


def request_id(asked: bytes | None) -> bytes:
    """Return the id of a request by its header, or a new one, which no other process makes."""
    return asked if asked is not None and _is_sane(asked) else _made % _next()
