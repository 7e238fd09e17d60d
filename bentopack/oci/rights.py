"""What lets us into one registry: a login, or tokens that it is exchanged for, one for each scope."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from bentopack.errors import RegistryError
from bentopack.oci.credentials import Login, find_login
from bentopack.oci.trust import AGENT, Ways, body_of, is_address

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_ANSWER_LIMIT = 1 << 20  # bytes


@dataclass
class Rights:
    """Threads may share it. A scope is what a request needs rights for, several are parted by blanks."""

    registry: str
    environ: Mapping[str, str]
    ways: Ways
    _given: dict[str, str] = field(default_factory=dict, repr=False)
    _logins: dict[str, Login | None] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def of(self, scope: str) -> str | None:
        """The value of an ``Authorization`` header, as far as we have been asked for one."""
        return self._given.get(scope)

    def renew(self, challenges: Sequence[str], scope: str, had: str | None, *, secure: bool) -> bool:
        """Answer a challenge: https://distribution.github.io/distribution/spec/auth/token/.

        Args:
            challenges: what the registry itself said that it wants; nobody else's is heeded.
            scope: what the request needs rights for.
            had: what was sent of us, and was not enough.
            secure: whether that went by TLS; a password then goes nowhere without.

        Returns:
            Whether it makes sense to ask again.

        Raises:
            RegistryError: the registry, or who gives rights to it, refuses us or answers something else.
        """
        with self._lock:
            if self._given.get(scope) != had:  # another thread was quicker
                return True
            login = self._login(scope)
            told = dict(reversed([_kind_and_rest(each) for each in challenges]))  # the first of a kind counts
            if "bearer" in told:
                self._given[scope] = f"Bearer {self._token(told['bearer'], scope, login, secure=secure)}"
                return True
            if "basic" in told and login:
                self._given[scope] = login.basic
                return had != login.basic
            return False

    def _login(self, scope: str) -> Login | None:
        repository = scope.split(" ", maxsplit=1)[0].partition(":")[2].rpartition(":")[0]
        if repository not in self._logins:
            self._logins[repository] = find_login(self.registry, self.environ, repository)
        return self._logins[repository]

    def _token(self, challenge: str, scope: str, login: Login | None, *, secure: bool) -> str:
        told = {
            name.lower(): quoted or plain
            for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))', challenge)
        }
        realm = told.get("realm", "")
        if not is_address(realm) or urlsplit(realm).scheme not in ("http", "https"):
            raise RegistryError(f"{self.registry} does not say who gives rights to it")
        if urlsplit(realm).scheme == "http" and secure:
            raise RegistryError(f"{self.registry} would have a password sent without encryption")
        scopes = merged(scope, told.get("scope", ""))
        answer = self._ask(realm, told.get("service", ""), scopes, login)
        content = body_of(answer, _ANSWER_LIMIT) or b""
        if answer.status != 200:
            raise RegistryError(
                f"{self.registry}: its token service answers {answer.status}", hint=hint_for(answer.status)
            )
        token = _token_in(content)
        if not token:
            raise RegistryError(
                f"{self.registry}: its token service at {urlsplit(realm).netloc} gives no token",
                hint="does something between here and there answer in its place?",
            )
        return token

    def _ask(self, realm: str, service: str, scopes: Sequence[str], login: Login | None) -> BaseHTTPResponse:
        way = self.ways.to(realm)
        asked = [("service", service)] if service else []
        if login and not login.user:
            form = {"grant_type": "refresh_token", "refresh_token": login.password, "client_id": "bentopack"}
            return way.request(
                "POST",
                realm,
                body=urlencode([*asked, ("scope", " ".join(scopes)), *form.items()]),
                headers={**AGENT, "Content-Type": "application/x-www-form-urlencoded"},
                redirect=False,
                retries=False,
                preload_content=False,
            )
        query = urlencode([*asked, *(("scope", each) for each in scopes)])
        return way.request(
            "GET",
            f"{realm}{'&' if '?' in realm else '?'}{query}",
            headers={**AGENT, **({"Authorization": login.basic} if login else {})},
            redirect=False,
            retries=False,
            preload_content=False,
        )


def hint_for(status: int) -> str | None:
    """What to do where a registry, or its token service, refuses."""
    return {
        401: "log in: docker login, or podman login",
        403: "this login may not do that there",
        404: "is the name right? A registry that hides what one may not see answers the same",
    }.get(status)


def merged(*scopes: str) -> list[str]:
    """Put scopes together: each resource once, with all that is to be done there."""
    found: dict[str, list[str]] = {}
    for each in " ".join(scopes).split():
        resource, _, actions = each.rpartition(":")
        known = found.setdefault(resource, [])
        known += [action for action in actions.split(",") if action not in known]
    return [f"{resource}:{','.join(actions)}" for resource, actions in found.items()]


def _kind_and_rest(challenge: str) -> tuple[str, str]:
    kind, _, rest = challenge.strip().partition(" ")
    return kind.lower(), rest


def _token_in(content: bytes) -> str:
    import json

    try:
        given: Any = json.loads(content)
        return str(given.get("token") or given.get("access_token") or "")
    except (ValueError, AttributeError):
        return ""
