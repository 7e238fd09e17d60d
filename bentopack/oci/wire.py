"""One registry's HTTP: redirects, and what is tried again. It knows nothing of images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from bentopack.errors import RegistryError
from bentopack.oci.content import ContentError
from bentopack.oci.parallel import pause
from bentopack.oci.rights import Rights, hint_for
from bentopack.oci.trust import AGENT, CONNECT_SECONDS, READ_SECONDS, Trust, Ways, body_of, is_address, proxy_of

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

Body = Callable[[], "bytes | Iterable[bytes | memoryview]"]
"""Gives what is sent from its beginning, for each time that it is sent."""

_WAIT = 0.5  # seconds before the second try, doubled for each other one
_LONGEST_WAIT = 30.0
_REDIRECTS = 5
_UNWANTED = 64 << 10  # bytes of a body that nobody reads: what is longer costs the connection
_BUSY = (408, 425, 429)


@dataclass(frozen=True)
class Answer:
    """What was answered; ``url`` is who did in the end, ``body`` all of it where it was wanted.

    Whoever wants it as a stream reads ``raw`` and releases, or closes, its connection.
    """

    status: int
    headers: Mapping[str, str]
    url: str
    raw: BaseHTTPResponse = field(repr=False)
    body: bytes = b""

    @property
    def location(self) -> str:
        """Where it leads.

        Raises:
            RegistryError: it does not say so.
        """
        if told := self.headers.get("Location"):
            return joined(self.url, told)
        raise RegistryError(f"{urlsplit(self.url).netloc} does not say where to go on: its answer has no Location")


def joined(url: str, told: str) -> str:
    """The address that an answer from ``url`` means; whoever asks it is told where it is none."""
    try:
        return urljoin(url, told)
    except ValueError:
        return told


class Broken(RegistryError):
    """What may get through another time; ``wait`` is what the registry asks to wait for, in seconds, if it does."""

    def __init__(self, message: str, *, hint: str | None, status: int | None, wait: float | None) -> None:
        self.wait = wait
        super().__init__(message, hint=hint, status=status)


@dataclass(frozen=True)
class _Request:
    method: str
    scope: str
    headers: Mapping[str, str]
    body: Body | None
    limit: int
    stream: bool
    follow: bool
    patience: float


@dataclass
class Wire:
    """The way to one registry; threads may share it."""

    registry: str
    environ: Mapping[str, str]
    trust: Trust = field(default_factory=Trust)
    tries: int = 5
    """How often a request is sent where none gets through."""

    def __post_init__(self) -> None:
        self._scheme = self.trust.scheme(self.registry)
        self._ways = Ways(self.trust, self.environ)
        self._rights = Rights(self.registry, self.environ, self._ways)

    def ask(
        self,
        method: str,
        address: str,
        scope: str,
        *,
        expected: tuple[int, ...],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        limit: int = 0,
        stream: bool = False,
        once: bool = False,
        follow: bool = True,
        patience: float | None = None,
    ) -> Answer:
        """Send a request and return an answer of an expected status.

        Args:
            method: of HTTP.
            address: a path at the registry, or a whole address that it gave.
            scope: what the request needs rights for, such as ``repository:iris:pull``; several are parted by blanks.
            expected: what may be answered; other answers are errors.
            headers: besides those that say who asks.
            body: what is sent.
            limit: bytes that the body of the answer may have; it is not wanted where that is 0.
            stream: whether the answer's body is read by the caller.
            once: whether it is the caller who tries again.
            follow: whether redirects are followed.
            patience: seconds that the answer may take; as usual where that is None.

        Raises:
            Broken: it cannot be reached, or is busy, after several tries.
            RegistryError: it refuses, or answers something else.
            ContentError: the answer is too large.
        """
        request = _Request(method, scope, headers or {}, body, limit, stream, follow, patience or READ_SECONDS)
        attempt, tries = 0, 1 if once else self.tries
        while True:
            found = self._try(request, joined(f"{self._scheme}://{self.registry}", address), expected)
            if not isinstance(found, Broken):
                return found
            attempt += 1
            if attempt >= tries:
                raise found
            pause(backoff(attempt - 1) if found.wait is None else found.wait)

    def _try(self, request: _Request, url: str, expected: tuple[int, ...]) -> Answer | Broken:
        """Send once, and return what is expected, or what may go away.

        Raises:
            RegistryError: it would end alike another time.
        """
        try:
            raw, url = self._authorised(request, url)
            if raw.status in expected:
                return _answer(raw, url, request)
            said = body_of(raw, 10_000) or b""
        except unreachable() as error:
            broken = self._broken(reason_of(error), url)
            if _is_final(error):
                raise RegistryError(broken.message, hint=broken.hint) from None
            return broken
        if raw.status == 400 and url.startswith("http:") and (request.method == "HEAD" or b"HTTPS server" in said):
            self._scheme = "https"  # one of this machine that has a certificate all the same
            return self._broken("it wants TLS", url, raw.status, 0.0)
        return self._refused(request.method, url, raw, said)

    def _refused(self, method: str, url: str, raw: BaseHTTPResponse, said: bytes) -> Broken:
        """What is said of an answer that nobody expected.

        Raises:
            RegistryError: to ask again would end alike.
        """
        reason = f"it answers {raw.status}{_told(said)}"
        if raw.status in _BUSY or raw.status >= 500:
            return self._broken(reason, url, raw.status, _asked_to_wait(raw))
        raise RegistryError(
            f"{urlsplit(url).netloc}: {method} {urlsplit(url).path}: {reason}",
            hint=hint_for(raw.status),
            status=raw.status,
        )

    def _broken(self, reason: str, url: str, status: int | None = None, wait: float | None = None) -> Broken:
        by = ", and by the proxy that the environment names" if proxy_of(url, self.environ) else ""
        hint = f"is its name right, and can it be reached from here by {self._scheme}{by}?"
        if "certificate" in reason:
            hint = "--ca-bundle names a file of certificates to trust"
        return Broken(f"the registry {self.registry} cannot be used: {reason}", hint=hint, status=status, wait=wait)

    def _authorised(self, request: _Request, url: str) -> tuple[BaseHTTPResponse, str]:
        """Send with what we know of our rights; where that is not enough, get more, once."""
        for again in (False, True):
            had = self._rights.of(request.scope)
            raw, at = self._follow(request, url, {"Authorization": had} if had else {})
            # What somebody else challenges is none of the registry's business, nor would they get its password.
            if raw.status != 401 or again or not self._is_ours(at):
                break
            challenges = raw.headers.getlist("WWW-Authenticate")
            if not self._rights.renew(challenges, request.scope, had, secure=at.startswith("https:")):
                break
            body_of(raw, _UNWANTED)
        return raw, at

    def _follow(self, request: _Request, url: str, who: dict[str, str]) -> tuple[BaseHTTPResponse, str]:
        """Send, and follow redirects; who is not the registry is not told who we are, nor is anybody after that."""
        from urllib3 import Timeout

        timeout = Timeout(connect=CONNECT_SECONDS, read=request.patience)
        for _ in range(_REDIRECTS):
            self._require_encrypted(url)
            if not self._is_ours(url):
                who = {}
            raw = self._ways.to(url).request(
                request.method,
                url,
                headers={**AGENT, **request.headers, **who},
                body=request.body() if request.body else None,  # type: ignore[arg-type]  # http.client sends what has a buffer
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=timeout,
            )
            if not request.follow or raw.status not in (301, 302, 303, 307, 308):
                return raw, url
            url = joined(url, raw.headers.get("Location", ""))
            body_of(raw, _UNWANTED)
        raise RegistryError(f"{self.registry} leads in a circle")

    def _require_encrypted(self, url: str) -> None:
        if not is_address(url):
            raise RegistryError(f"{self.registry} leads to what is no address: {url[:200]}")
        scheme = urlsplit(url).scheme
        if scheme not in ("http", "https") or (scheme == "http" and self._scheme == "https"):
            raise RegistryError(
                f"{self.registry} leads from {self._scheme} to {scheme}",
                hint="does what is in front of it tell it by which scheme it is reached (X-Forwarded-Proto)?",
            )

    def _is_ours(self, url: str) -> bool:
        return _origin(url) == _origin(f"{self._scheme}://{self.registry}")


def backoff(attempt: int) -> float:
    """Seconds to wait after a number of failures (0 is the first)."""
    return float(min(_WAIT * 2**attempt, _LONGEST_WAIT))


def _origin(url: str) -> tuple[str, str, int]:
    split = urlsplit(url)
    return split.scheme, split.hostname or "", split.port or (443 if split.scheme == "https" else 80)


def _answer(raw: BaseHTTPResponse, url: str, request: _Request) -> Answer:
    if request.stream:
        return Answer(raw.status, raw.headers, url, raw)
    body = body_of(raw, request.limit or _UNWANTED)
    if request.limit and body is None:
        raise ContentError(f"what {url} names is too large: expected {request.limit} bytes at most")
    return Answer(raw.status, raw.headers, url, raw, body or b"")


def unreachable() -> tuple[type[Exception], ...]:
    """What HTTP raises where somebody cannot be reached, or does not speak it."""

    from urllib3.exceptions import HTTPError

    return (HTTPError, OSError)


def reason_of(error: Exception) -> str:
    """The innermost reason of an HTTP library's error."""
    cause: BaseException = error
    while isinstance(below := getattr(cause, "reason", None) or cause.__cause__ or cause.__context__, Exception):
        if isinstance(below, RegistryError):  # what was wrong with the try before
            break
        cause = below
    return str(getattr(cause, "strerror", None) or cause) or type(cause).__name__


def _is_final(error: Exception) -> bool:
    """Whether a second try would end alike: a name that nobody has, a certificate that is not trusted."""
    from urllib3.exceptions import NameResolutionError, SSLError

    return isinstance(getattr(error, "reason", None) or error, (NameResolutionError, SSLError))


def _asked_to_wait(answer: BaseHTTPResponse) -> float | None:
    told = answer.headers.get("Retry-After", "")
    return min(float(told), _LONGEST_WAIT) if told.isdigit() else None


def _told(said: bytes) -> str:
    """What a registry says of an error, in the form that they share."""
    import json

    try:
        errors = json.loads(said)["errors"]
        words = "; ".join(str(each.get("message") or each.get("code")) for each in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return f": {words[:300]}" if words else ""
