"""What a request is called in answers and logs: as its client or a proxy says, or else by a name that is made here."""

from __future__ import annotations

import os
import re
from itertools import count

HEADER = b"x-request-id"

_is_sane = re.compile(rb"[!-~]{1,128}").fullmatch  # what is no more than a word cannot forge a line of the log
OURS = b"%s-" % os.urandom(8).hex().encode()
"""How the ids that this process makes begin; a number in hexadecimal digits follows."""
next_number = count(1).__next__


def request_id(asked: bytes | None) -> bytes:
    """Return the id of a request by its header, or a new one, which no other process makes."""
    return asked if asked is not None and _is_sane(asked) else b"%s%x" % (OURS, next_number())
