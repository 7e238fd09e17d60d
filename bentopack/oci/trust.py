"""How this machine reaches others: whose certificates are trusted, who is spoken to without any, and by which proxy."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from bentopack.errors import RegistryError

if TYPE_CHECKING:
    from ssl import SSLContext

    from urllib3 import BaseHTTPResponse, PoolManager

AGENT = {"User-Agent": "bentopack"}
CONNECT_SECONDS = 15
READ_SECONDS = 120
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
_CONNECTIONS = 8  # that are kept for each host


@dataclass(frozen=True)
class Trust:
    """How registries are spoken to: certificates of the user's own, and those that may be asked without any."""

    ca_bundle: Path | None = None
    insecure: tuple[str, ...] = ()

    def scheme(self, registry: str) -> str:
        """``http`` for this machine and for who is named so; else ``https``."""
        return "http" if registry in self.insecure or _LOOPBACK.fullmatch(registry) else "https"


@dataclass
class Ways:
    """Connections to hosts, kept while a command runs; threads may share them."""

    trust: Trust
    environ: Mapping[str, str]
    _pools: dict[tuple[str, bool], PoolManager] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def to(self, url: str) -> PoolManager:
        """The way to an address.

        Raises:
            RegistryError: its proxy is of a kind that is not known here, or the certificates cannot be read.
        """
        proxy, secure = proxy_of(url, self.environ), url.startswith("https:")
        with self._lock:
            if (proxy, secure) not in self._pools:
                self._pools[proxy, secure] = _pool(proxy, _context(self.trust.ca_bundle) if secure else None)
            return self._pools[proxy, secure]


def body_of(answer: BaseHTTPResponse, limit: int) -> bytes | None:
    """Read an answer to its end and give its connection back; None, and no more of it, where it has more bytes."""
    content = answer.read(limit + 1)
    if len(content) > limit:
        answer.close()
        return None
    answer.release_conn()
    return content


def is_address(url: str) -> bool:
    """Whether somebody can be asked there at all."""
    try:
        return bool(urlsplit(url).hostname) and urlsplit(url).port != 0
    except ValueError:  # of its host or its port
        return False


def proxy_of(url: str, environ: Mapping[str, str]) -> str:
    """The proxy that an environment has for an address (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``), or ``""``.

    This machine is never asked by one.

    Raises:
        RegistryError: it is of a kind that is not known here.
    """
    split = urlsplit(url)
    told = _of(environ, f"{split.scheme}_proxy") or _of(environ, "all_proxy")
    if not told or _LOOPBACK.fullmatch(split.netloc) or _goes_direct(url, _of(environ, "no_proxy")):
        return ""
    proxy = told if "://" in told else f"http://{told}"
    if not is_address(proxy) or urlsplit(proxy).scheme not in ("http", "https"):
        raise RegistryError(
            f"the environment names a proxy that cannot be used: its address begins with {proxy.partition('://')[0]}://",
            hint="HTTPS_PROXY should be such as http://proxy:3128; NO_PROXY names who is asked without",
        )
    return proxy


def _of(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _goes_direct(url: str, without: str) -> bool:
    """Whether ``NO_PROXY`` names a host: itself, a domain above it, a network, each perhaps with a port."""
    split = urlsplit(url)
    host, port = split.hostname or "", split.port or (443 if split.scheme == "https" else 80)
    for each in without.lower().replace(",", " ").split():
        if each == "*" or _is_in_network(host, each):
            return True
        name, colon, wanted = each.rpartition(":") if re.search(r":\d+$", each) else (each, "", "")
        name = name.removeprefix("*").removeprefix(".").strip("[]")
        if name and (host == name or host.endswith(f".{name}")) and (not colon or int(wanted) == port):
            return True
    return False


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network.strip("[]"), strict=False)
    except ValueError:  # one of them is a name
        return False


def _pool(proxy: str, context: SSLContext | None) -> PoolManager:
    from urllib3 import PoolManager, ProxyManager, Timeout, make_headers

    timeout = Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)  # unless a request says otherwise
    if not proxy:
        return PoolManager(maxsize=_CONNECTIONS, timeout=timeout, ssl_context=context)
    split = urlsplit(proxy)
    login = f"{unquote(split.username)}:{unquote(split.password or '')}" if split.username else None
    return ProxyManager(
        f"{split.scheme}://{split.netloc.rpartition('@')[2]}",
        maxsize=_CONNECTIONS,
        timeout=timeout,
        proxy_headers=make_headers(proxy_basic_auth=login) if login else {},
        ssl_context=context,
        proxy_ssl_context=context,
    )


def _context(bundle: Path | None) -> SSLContext:
    """The usual certificates (``SSL_CERT_FILE`` names others), and the user's own beside them."""
    from urllib3.util import create_urllib3_context

    context = create_urllib3_context()
    context.load_default_certs()
    if bundle:
        try:
            context.load_verify_locations(cafile=str(bundle))
        except OSError as error:
            raise RegistryError(f"--ca-bundle: {bundle} holds no certificates: {error.strerror or error}") from None
    return context
