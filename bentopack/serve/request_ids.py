"""What a request is called in answers and logs: as its client or a proxy says, or else by a name that is made here."""

from __future__ import annotations

import os
import re
from itertools import chain, count

HEADER = b"x-request-id"

_is_sane = re.compile(rb"[!-~]{1,128}").fullmatch  # what is no more than a word cannot forge a line of the log
_OURS = os.urandom(8).hex().encode()
_DIGITS = [b"%03x" % number for number in range(4096)]

# The last digits are added by functions of C alone: each request has one.
next_id = chain.from_iterable(map((b"%s-%x" % (_OURS, before)).__add__, _DIGITS) for before in count()).__next__
"""Make an id, which no other process makes."""


def request_id(asked: bytes | None) -> bytes:
    """Return the id of a request by its header, or a new one."""
    return asked if asked is not None and _is_sane(asked) else next_id()
