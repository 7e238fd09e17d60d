"""HTTPS: the same answers as over plain HTTP, certificates that are renewed, and those that cannot be used."""

from __future__ import annotations

import asyncio
import hashlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bentopack.errors import ServeError
from bentopack.serve import tls
from bentopack.serve.healthcheck import is_ready
from bentopack.serve.unsent import unsent
from tests.serve.running import Running, config_of, wait_for

SOURCE = """
import hashlib, time
import bentopack

@bentopack.service
class Service:
    @bentopack.api(batchable=True, one_row=True)
    def digest(self, body: list[bytes]) -> list[str]:
        return [hashlib.sha256(each).hexdigest() for each in body]

    @bentopack.api
    def large(self, size: int) -> bytes:
        return bytes(size)

    @bentopack.api
    def wait(self, seconds: float) -> str:
        time.sleep(seconds)
        return "waited"
"""
APP = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "http":
        await asyncio.sleep(4)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await send({"type": "http.response.body", "body": b"waited"})
"""
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
BYTES = {"content-type": "application/octet-stream"}
SIZES = [0, 1, 8_192, 65_536, 65_537, 600_000, 5_000_000]


class Authority:
    """Certificates of one authority for this machine, written where a service reads them."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        self.trust = ssl.create_default_context()
        self._ca.configure_trust(self.trust)
        self.issue()

    def issue(self) -> bytes:
        """Write a new certificate and its key; the certificate as clients see it comes back."""
        issued = self._ca.issue_cert("127.0.0.1")
        self.certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())
        return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())

    @property
    def settings(self) -> dict[str, str]:
        return {"ssl_certfile": str(self.certificate), "ssl_keyfile": str(self.key)}


@pytest.fixture(scope="module", params=["workers", "inline", "in_process"])
def secure(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that speaks HTTPS, in each of the ways to run one."""
    folder = tmp_path_factory.mktemp("source")
    authority = Authority(folder)
    way: dict[str, Any] = {} if request.param == "workers" else {request.param: True}
    config = config_of(folder, SOURCE, access_log=False, **way, **authority.settings)
    with Running(config, trust=authority.trust) as running:
        yield running.wait_ready()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def connect(running: Running) -> socket.socket:
    """A connection on which nothing has been said."""
    url = running.client.base_url
    return socket.create_connection((url.host, int(url.port or 0)), 10)


def secured(plain: socket.socket, running: Running) -> ssl.SSLSocket:
    """The same after the handshake."""
    assert running.trust
    return running.trust.wrap_socket(plain, server_hostname=running.client.base_url.host)


def shown(running: Running) -> bytes:
    """The certificate that a new client is shown."""
    with connect(running) as plain, secured(plain, running) as connection:
        return connection.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("size", SIZES)
def test_bodies_arrive_whole(secure: Running, size: int) -> None:
    """Small bodies, and those that go by shared memory, on one connection and on several at once."""
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]

    def ask(_: int) -> str:
        return secure.client.post("/digest", content=body, headers=BYTES).text

    with ThreadPoolExecutor(4) as clients:
        assert {*clients.map(ask, range(8))} == {hashlib.sha256(body).hexdigest()}


def test_the_long_way_is_https_too(secure: Running) -> None:
    """Pages, probes, unknown paths and large answers are no different."""
    assert secure.client.get("/docs").status_code == 200
    assert secure.client.get("/readyz").status_code == 200
    assert secure.client.get("/nothing").status_code == 404
    assert len(secure.json("/large", {"size": 3_000_000}).content) == 3_000_000
    assert str(secure.client.base_url).startswith("https://")


def test_pieces_of_any_size(secure: Running) -> None:
    """Requests cut anywhere by the client's records, and two in one record, are answered in their order."""
    bodies = [b"a", b"b" * 100, b"c" * 70_000]
    head = "POST /digest HTTP/1.1\r\nHost: h\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n"
    data = b"".join(head.format(len(body)).encode() + body for body in bodies)
    for piece in (1000, 16_384, len(data)):
        with connect(secure) as plain, secured(plain, secure) as connection:
            for at in range(0, len(data), piece):
                connection.sendall(data[at : at + piece])
            answers = connection.makefile("rb")
            for body in bodies:
                length = 0
                while (line := answers.readline().lower()).strip():
                    length = int(line.partition(b":")[2]) if line.startswith(b"content-length") else length
                assert answers.read(length).decode() == hashlib.sha256(body).hexdigest()


def test_who_speaks_no_tls_is_hung_up_on(secure: Running) -> None:
    """Plain HTTP gets no answer, nobody else notices, and nothing is logged as a fault."""
    with connect(secure) as plain:
        plain.sendall(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = b""
        while part := plain.recv(1000):
            answer += part
    assert b"HTTP/" not in answer
    assert secure.client.get("/readyz").status_code == 200
    assert "Traceback" not in secure.output


def test_the_healthcheck_asks_with_tls(secure: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image's own health check finds the service, which may have its certificate by an option."""
    port = int(secure.client.base_url.port or 0)
    assert is_ready(port, tls=True)
    assert not is_ready(port)
    monkeypatch.setenv("BENTOPACK_PORT", str(port))
    assert subprocess.run([sys.executable, "-m", "bentopack.serve.healthcheck"], check=False).returncode == 0


def test_sighup_takes_a_renewed_certificate(tmp_path: Path, authority: Authority) -> None:
    """New clients are shown the certificate that the file holds now, and no request is lost meanwhile."""
    config = config_of(tmp_path, SOURCE, access_log=False, **authority.settings)
    with Running(config, trust=authority.trust) as running:
        running.wait_ready()
        before = shown(running)
        renewed = authority.issue()
        assert renewed != before
        stop = threading.Event()

        def ask() -> set[int]:
            with httpx.Client(base_url=running.client.base_url, verify=authority.trust, timeout=20) as client:
                found = set()
                while not stop.is_set():
                    found.add(client.post("/digest", content=b"x" * 100, headers=BYTES).status_code)
                return found

        with ThreadPoolExecutor(4) as clients:
            asking = [clients.submit(ask) for _ in range(4)]
            running.process.send_signal(signal.SIGHUP)
            wait_for(lambda: shown(running) == renewed, 30, lambda: running.output)
            running.wait_output("have been replaced", 30)
            stop.set()
            assert {status for each in asking for status in each.result()} == {200}
        authority.key.write_text("no key")
        running.process.send_signal(signal.SIGHUP)
        running.wait_output("the process that was there serves on", 30)
        assert f"--ssl-keyfile: {authority.key}: it holds no private key in PEM form" in running.output
        assert shown(running) == renewed


@pytest.mark.parametrize("kind", ["service", "app"])
def test_who_holds_the_old_certificate_finishes_what_it_has(tmp_path: Path, authority: Authority, kind: str) -> None:
    """A request that takes longer than the grace is answered though its front end is replaced."""
    source = SOURCE if kind == "service" else APP
    config = config_of(tmp_path, source, kind=kind, grace=1.0, access_log=False, **authority.settings)
    with Running(config, trust=authority.trust) as running, ThreadPoolExecutor(1) as client:
        running.wait_ready()
        answer = client.submit(running.client.post, "/wait", json={"seconds": 4})
        time.sleep(1)
        running.process.send_signal(signal.SIGHUP)
        assert answer.result().text == "waited"
        running.wait_output("have been replaced", 20)


def test_a_certificate_is_renewed_though_the_new_code_cannot_be_loaded(tmp_path: Path, authority: Authority) -> None:
    """One has nothing to do with the other."""
    config = config_of(tmp_path, SOURCE, access_log=False, **authority.settings)
    with Running(config, trust=authority.trust) as running:
        running.wait_ready()
        renewed = authority.issue()
        (tmp_path / "svc.py").write_text("import nothing_of_that_name")
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: shown(running) == renewed, 30, lambda: running.output)
        running.wait_output("the process that was there serves on", 30)
        assert running.client.post("/digest", content=b"", headers=BYTES).status_code == 200


@pytest.mark.parametrize("way", [{}, {"inline": True}], ids=["workers", "inline"])
def test_a_client_that_never_says_goodbye_is_not_waited_for(
    tmp_path: Path, authority: Authority, way: dict[str, Any]
) -> None:
    """Clients keep connections that they do not read from; the end is no later for them."""
    config = config_of(tmp_path, SOURCE, access_log=False, grace=20.0, **way, **authority.settings)
    with Running(config, trust=authority.trust) as running:
        assert running.wait_ready().client.get("/readyz").status_code == 200  # and its connection is kept
        running.process.terminate()
        assert running.process.wait(10) == 0
        assert "graceful shutdown exceeded" not in running.output


def test_who_has_been_accepted_may_finish_the_handshake(tmp_path: Path, authority: Authority) -> None:
    """A client whose connection was accepted before SIGTERM gets its answer, slow as it is."""
    config = config_of(tmp_path, SOURCE, access_log=False, **authority.settings)
    with Running(config, trust=authority.trust) as running:
        running.wait_ready().client.close()
        with connect(running) as plain:
            time.sleep(0.3)
            running.process.terminate()
            time.sleep(0.4)
            with secured(plain, running) as connection:
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
                assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 200")


def test_what_a_client_does_not_read_counts_as_unsent(authority: Authority) -> None:
    """A transport of TLS says that it holds nothing, megabytes of which nobody has taken."""

    async def send() -> tuple[int, int, int]:
        made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

        class Sender(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                made.set_result(transport)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.certificate, authority.key)
        server = await asyncio.get_running_loop().create_server(Sender, "127.0.0.1", 0, ssl=context)
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port, ssl=authority.trust)
        transport = await made
        transport.write(bytes(30_000_000))
        await asyncio.sleep(0.2)
        held, before = transport.get_write_buffer_size(), unsent(transport)
        await reader.readexactly(30_000_000)
        await asyncio.sleep(0.2)
        after = unsent(transport)
        transport.abort()
        writer.transport.abort()
        server.close()
        return held, before, after

    held, before, after = asyncio.run(send())
    assert (held == 0) is (sys.version_info >= (3, 11))  # before, it tells
    assert before > 100_000
    assert after == 0


def test_modern_clients_of_tls_1_2_are_understood(secure: Running) -> None:
    """Those that offer authenticated encryption alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM")
    with httpx.Client(base_url=secure.client.base_url, verify=context) as client:
        assert client.get("/readyz").status_code == 200


def _encrypt(authority: Authority) -> None:
    key = serialization.load_pem_private_key(authority.key.read_bytes(), None)
    authority.key.write_bytes(key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"secret")))


def _damage(file: Path) -> None:
    file.write_text(re.sub(r"(?<=-----\n)\w{8}", "AAAAAAAA", file.read_text()))


def test_an_encrypted_key(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its password comes by the environment alone; without it nothing asks at the terminal."""
    _encrypt(authority)
    config = config_of(tmp_path, SOURCE, access_log=False, **authority.settings)
    monkeypatch.delenv(tls.PASSWORD, raising=False)
    with pytest.raises(ServeError, match="it is encrypted"):
        tls.options_of(config)
    monkeypatch.setenv(tls.PASSWORD, "wrong")
    with pytest.raises(ServeError, match="its password is another") as refused:
        tls.options_of(config)
    assert "wrong" not in str(refused.value)
    monkeypatch.setenv(tls.PASSWORD, "secret")
    with Running(config, trust=authority.trust) as running:
        assert running.wait_ready().client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("no certificate", "--ssl-certfile: .*certificate.pem: No such file"),
        ("no key", "--ssl-keyfile: .*key.pem: No such file"),
        ("a folder", "--ssl-certfile: .*: Is a directory"),
        ("empty", "--ssl-certfile: .*certificate.pem: it holds no certificate in PEM form"),
        ("another's key", "--ssl-keyfile: .*key.pem is not the key of the certificate in .*certificate.pem"),
        ("key alone", "--ssl-keyfile without --ssl-certfile"),
        ("no key in the certificate's file", "--ssl-keyfile: .*certificate.pem: it holds no private key in PEM form"),
        ("another kind of key", "--ssl-keyfile: .*key.pem is not the key of the certificate in .*certificate.pem"),
        ("damaged", "--ssl-certfile: .*certificate.pem: the certificate is damaged"),
        ("damaged, with an encrypted key", "--ssl-certfile: .*certificate.pem: the certificate is damaged"),
        ("damaged key", "--ssl-keyfile: .*key.pem: .*it is damaged"),
    ],
)
def test_a_certificate_that_cannot_be_used(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, broken: str, words: str
) -> None:
    """Each is one message, which names the option and the file, before anything is started."""
    settings: dict[str, Any] = authority.settings
    if broken == "no certificate":
        authority.certificate.unlink()
    elif broken == "no key":
        authority.key.unlink()
    elif broken == "a folder":
        settings["ssl_certfile"] = str(tmp_path)
    elif broken == "empty":
        authority.certificate.write_bytes(b"")
    elif broken == "another's key":
        certificate = authority.certificate.read_bytes()
        authority.issue()
        authority.certificate.write_bytes(certificate)
    elif broken == "key alone":
        del settings["ssl_certfile"]
    elif broken == "no key in the certificate's file":
        del settings["ssl_keyfile"]
    elif broken == "another kind of key":
        key = rsa.generate_private_key(65537, 2048)
        authority.key.write_bytes(key.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    elif broken == "damaged key":
        _damage(authority.key)
    else:
        _damage(authority.certificate)
    if broken == "damaged, with an encrypted key":
        _encrypt(authority)
        monkeypatch.setenv(tls.PASSWORD, "secret")
    with pytest.raises(ServeError, match=words):
        tls.options_of(config_of(tmp_path, SOURCE, **settings))
