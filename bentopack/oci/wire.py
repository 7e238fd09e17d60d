"""One registry's HTTP: who we are, redirects, and what is tried again. It knows nothing of images."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from bentopack.errors import RegistryError
from bentopack.oci.credentials import Login, find_login

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

Body = Callable[[], "bytes | Iterable[bytes | memoryview]"]
"""Gives what is sent from its beginning, for each time that it is sent."""

_WAIT = 0.5  # seconds before the second try, doubled for each other one
_LONGEST_WAIT = 30.0
_CONNECT_SECONDS, _READ_SECONDS = 15, 120
_REDIRECTS = 5
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")


@dataclass(frozen=True)
class Trust:
    """How registries are spoken to: certificates of the user's own, and those that may be asked without any."""

    ca_bundle: Path | None = None
    insecure: tuple[str, ...] = ()

    def scheme(self, registry: str) -> str:
        """``http`` for this machine and for who is named so; else ``https``."""
        return "http" if registry in self.insecure or _LOOPBACK.fullmatch(registry) else "https"


@dataclass
class Wire:
    """The way to one registry; threads may share it."""

    registry: str
    environ: Mapping[str, str]
    trust: Trust = field(default_factory=Trust)
    tries: int = 5
    """How often a request is sent where none gets through."""
    _tokens: dict[str, str] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)
    _scheme: str = ""

    def __post_init__(self) -> None:
        self._pool = _pool(self.trust)
        self._scheme = self.trust.scheme(self.registry)
        self._login: Login | None = None
        self._looked = False

    def ask(
        self,
        method: str,
        address: str,
        scope: str,
        *,
        expected: tuple[int, ...],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        stream: bool = False,
        once: bool = False,
    ) -> BaseHTTPResponse:
        """Send a request and return an answer of an expected status.

        Args:
            method: of HTTP.
            address: a path at the registry, or a whole address that it gave.
            scope: what the request needs rights for, such as ``repository:iris:pull``.
            expected: what may be answered; other answers are errors.
            headers: besides those that say who asks.
            body: what is sent.
            stream: whether the answer's body is read by the caller, who then releases the connection.
            once: whether it is the caller who tries again, as part of it may have arrived.

        Raises:
            RegistryError: it cannot be reached, refuses, or answers something else, after several tries.
        """
        wait, reason = 0.0, ""
        for attempt in range(1 if once else self.tries):
            time.sleep(wait)
            wait = min(_WAIT * 2**attempt, _LONGEST_WAIT)
            url = urljoin(f"{self._scheme}://{self.registry}", address)
            try:
                answer = self._authorised(method, url, scope, headers or {}, body, once=once)
            except _unreachable() as error:
                reason = _reason(error)
                if _is_final(error):
                    break
                continue
            if answer.status in expected:
                if not stream:
                    _ = answer.data  # kept in the answer
                    answer.release_conn()
                return answer
            said = answer.read(10_000)
            answer.release_conn()
            if answer.status == 400 and url.startswith("http:") and (method == "HEAD" or b"HTTPS server" in said):
                self._scheme, wait = "https", 0.0  # one of this machine that has a certificate all the same
                continue
            reason = f"it answers {answer.status}{_told(said)}"
            if answer.status not in (408, 425, 429) and answer.status < 500:
                raise RegistryError(
                    f"{self.registry}: {method} {urlsplit(url).path}: {reason}",
                    hint=_hint(answer.status),
                    status=answer.status,
                )
            wait = _asked_to_wait(answer) or wait
        raise RegistryError(
            f"the registry {self.registry} cannot be used: {reason}",
            hint="--ca-bundle names a file of certificates to trust"
            if "certificate" in reason
            else f"is its name right, and can it be reached from here by {self._scheme}?",
        )

    def _authorised(
        self, method: str, url: str, scope: str, headers: Mapping[str, str], body: Body | None, *, once: bool
    ) -> BaseHTTPResponse:
        """Send with what we know of our rights; where that is not enough, get more, once."""
        answer = self._follow(method, url, {**headers, **self._rights(scope)}, body)
        if answer.status != 401:
            return answer
        challenge = answer.headers.get("WWW-Authenticate", "")
        answer.read()
        answer.release_conn()
        self._get_rights(challenge, scope)
        if once:  # part of the body is gone
            raise RegistryError(f"{self.registry}: the rights to go on had run out")
        return self._follow(method, url, {**headers, **self._rights(scope)}, body)

    def _follow(self, method: str, url: str, headers: dict[str, str], body: Body | None) -> BaseHTTPResponse:
        """Send, and follow redirects: to another host without what says who we are."""
        for _ in range(_REDIRECTS):
            answer = self._pool.request(
                method,
                url,
                headers=headers,
                body=body() if body else None,  # type: ignore[arg-type]  # http.client sends what has a buffer
                redirect=False,
                retries=False,
                preload_content=False,
            )
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            target = urljoin(url, answer.headers.get("Location", ""))
            answer.read()
            answer.release_conn()
            if urlsplit(target).netloc != urlsplit(url).netloc:
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            if urlsplit(target).scheme != "https" and urlsplit(url).scheme == "https":
                raise RegistryError(f"{self.registry} leads from https to {urlsplit(target).scheme}")
            url = target
        raise RegistryError(f"{self.registry} leads in a circle")

    def _rights(self, scope: str) -> dict[str, str]:
        token = self._tokens.get(scope) or self._tokens.get("")
        return {"Authorization": token} if token else {}

    def _get_rights(self, challenge: str, scope: str) -> None:
        """Answer a challenge: https://distribution.github.io/distribution/spec/auth/token/."""
        with self._lock:
            if not self._looked:
                self._login, self._looked = find_login(self.registry, self.environ), True
            login = self._login
            kind, _, rest = challenge.partition(" ")
            if kind.lower() == "basic" and login:
                self._tokens[""] = login.basic
            elif kind.lower() == "bearer":
                told = dict(re.findall(r'(\w+)="([^"]*)"', rest))
                if urlsplit(told.get("realm", "")).scheme not in ("http", "https"):
                    raise RegistryError(f"{self.registry} does not say who gives rights to it")
                self._tokens[scope] = f"Bearer {self._token(told, scope, login)}"

    def _token(self, told: Mapping[str, str], scope: str, login: Login | None) -> str:
        realm, service = told["realm"], told.get("service", "")
        if urlsplit(realm).scheme == "http" and self._scheme == "https":
            raise RegistryError(f"{self.registry} would have a password sent without encryption")
        asked = {"service": service, "scope": scope}
        if login and not login.user:
            form = {**asked, "grant_type": "refresh_token", "refresh_token": login.password, "client_id": "bentopack"}
            answer = self._pool.request(
                "POST", realm, fields=form, encode_multipart=False, redirect=False, retries=False
            )
        else:
            headers = {"Authorization": login.basic} if login else {}
            joined = "&" if "?" in realm else "?"
            answer = self._pool.request(
                "GET", f"{realm}{joined}{urlencode(asked)}", headers=headers, redirect=False, retries=False
            )
        if answer.status != 200:
            raise RegistryError(
                f"{self.registry}: its token service answers {answer.status}", hint=_hint(answer.status)
            )
        given: Any = answer.json()
        token = given.get("token") or given.get("access_token") if isinstance(given, dict) else None
        if not token:
            raise RegistryError(f"{self.registry}: its token service gives no token")
        return str(token)


def _pool(trust: Trust) -> PoolManager:
    from urllib3 import PoolManager, Timeout, make_headers

    return PoolManager(
        maxsize=8,
        timeout=Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS),
        ca_certs=str(trust.ca_bundle) if trust.ca_bundle else None,
        headers=make_headers(user_agent="bentopack"),
    )


def _unreachable() -> tuple[type[Exception], ...]:
    from urllib3.exceptions import HTTPError

    return (HTTPError, OSError)


def _reason(error: Exception) -> str:
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


def _hint(status: int) -> str | None:
    return {
        401: "log in: docker login, or podman login",
        403: "this login may not do that there",
        404: "is the name right? A registry that hides what one may not see answers the same",
    }.get(status)
