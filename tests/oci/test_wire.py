"""One registry's HTTP: who we are, who is told, what is tried again."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import trustme

from bentopack.errors import RegistryError
from bentopack.oci import wire as wire_module
from bentopack.oci.blobs import Blobs
from bentopack.oci.content import LAYER, ContentError, Descriptor, describe
from bentopack.oci.reference import parse_reference
from bentopack.oci.registry import Content, Registries
from bentopack.oci.trust import Trust

from .scripted import CONTENT, Handler, Scripted, log_in, one_layer, registries, scripted, served

__all__ = ["registries", "scripted"]  # fixtures


@pytest.mark.parametrize("login", ["basic", "bearer"])
def test_who_we_are(scripted: Scripted, registries: Registries, tmp_path: Path, login: str) -> None:
    """By a name and password, or by a token that they are exchanged for; asked for once a scope."""
    scripted.login = login
    log_in(tmp_path, scripted.address)
    registries.push(one_layer(), parse_reference(f"{scripted.address}/team/x:1"))
    tokens = [path for _, path, _ in scripted.asked if path.startswith("/token")]
    assert len(tokens) <= 4  # threads that began together
    if login == "bearer":
        assert "scope=repository%3Ateam%2Fx%3Apull%2Cpush" in tokens[0]


def test_whoever_is_not_logged_in_is_told(scripted: Scripted, registries: Registries) -> None:
    """And how to log in."""
    scripted.login = "basic"
    with pytest.raises(RegistryError, match="answers 401") as caught:
        registries.push(one_layer(), parse_reference(f"{scripted.address}/team/x:1"))
    assert "docker login" in str(caught.value.hint)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_registry_that_is_busy_is_asked_again(scripted: Scripted, registries: Registries, status: int) -> None:
    """A few times, and as late as it says."""
    scripted.answers = [(status, {"Retry-After": "0"})] * 3
    registries.push(one_layer(), parse_reference(f"{scripted.address}/team/x:1"))
    scripted.answers = [(status, {})] * 1000
    with pytest.raises(RegistryError, match=f"it answers {status}"):
        registries.push(one_layer(), parse_reference(f"{scripted.address}/team/y:1"))


def test_a_slow_registry_is_asked_again(
    scripted: Scripted, registries: Registries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for an answer for ever; the next try may find it in time."""
    monkeypatch.setattr(wire_module, "READ_SECONDS", 0.05)
    image, reference = one_layer(), parse_reference(f"{scripted.address}/team/x:1")
    scripted.manifests["1"] = (image.descriptor.media_type, image.manifest)
    scripted.slow = [0.15, 0.15]
    assert registries.manifest(reference)[0] == image.manifest
    scripted.slow = [0.15] * 5
    with pytest.raises(RegistryError, match=r"cannot be used: .*timed out"):
        registries.manifest(reference)


def test_what_is_refused_is_not_tried_again(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """With the registry's own words."""
    with pytest.raises(RegistryError, match="answers 404: not known here"):
        registries.image(parse_reference(f"{scripted.address}/team/none:1"), "linux/amd64", Blobs(tmp_path))
    assert len(scripted.asked) == 1


def test_a_redirect_elsewhere_learns_nothing_of_us(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """Storage behind a registry is asked without our password."""
    with served(Scripted()) as elsewhere:
        image = one_layer()
        scripted.login = "basic"
        log_in(tmp_path, scripted.address)
        registries.push(image, parse_reference(f"{scripted.address}/team/x:1"))
        pulled = registries.image(parse_reference(f"{scripted.address}/team/x:1"), "linux/amd64", Blobs(tmp_path / "b"))
        elsewhere.blobs = dict(scripted.blobs)
        there = f"http://{elsewhere.address}/v2/team/x/blobs/{image.parts[0].descriptor.digest}"
        scripted.answers = [(307, {"Location": there})]
        assert b"".join(pulled.parts[0].stream()) == CONTENT
        assert [said for _, _, said in elsewhere.asked] == [""]


def test_plain_http_is_for_this_machine() -> None:
    """Others are spoken to with TLS, unless they are named."""
    trust = Trust(insecure=("registry.internal:5000",))
    assert [trust.scheme(each) for each in ("127.0.0.1:5000", "localhost", "[::1]:5000")] == ["http"] * 3
    assert trust.scheme("registry.internal:5000") == "http"
    assert [trust.scheme(each) for each in ("ghcr.io", "127.0.0.1.example.org", "localhost.example.org")] == [
        "https"
    ] * 3


def test_a_registry_that_is_not_there(registries: Registries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told with its name, after a few tries."""
    monkeypatch.setattr(wire_module, "_WAIT", 0.01)
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9 cannot be used: Connection refused"):
        registries.image(parse_reference("127.0.0.1:9/x:1"), "linux/amd64", Blobs(tmp_path))


def leads_to(url: str) -> Callable[[Handler], bool]:
    """A registry whose uploads are somewhere else."""

    def elsewhere(handler: Handler) -> bool:
        if handler.command == "POST" and handler.headers.get("Authorization"):
            handler.answer(202, b"", {"Location": url})
            return True
        return False

    return elsewhere


def takes_all(handler: Handler) -> bool:
    """Storage that takes what comes."""
    handler.drain()
    handler.answer(201, b"", {})
    return True


def test_an_upload_elsewhere_learns_nothing_of_us(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """Where a registry has blobs sent to another host, that host gets the blob, and no password."""
    log_in(tmp_path, scripted.address)
    with served(Scripted(first=takes_all)) as storage:
        scripted.login, scripted.first = "basic", leads_to(f"http://{storage.address}/upload/1")
        registries.push(one_layer(), parse_reference(f"{scripted.address}/team/x:1"))
        assert {said for _, _, said in storage.asked} == {""}
        assert storage.methods("/upload/1") == ["PUT", "PUT"]


def test_a_challenge_from_elsewhere_is_not_heeded(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """Storage that asks for a password, with an address to send it to, gets an error instead."""

    def asks(handler: Handler) -> bool:
        handler.answer(401, b"", {"WWW-Authenticate": f'Bearer realm="http://{storage.address}/token",service="x"'})
        return True

    log_in(tmp_path, scripted.address)
    with served(Scripted(first=asks)) as storage:
        scripted.answers = [(307, {"Location": f"http://{storage.address}/blob"})]
        reference = parse_reference(f"{scripted.address}/team/x:1")
        with pytest.raises(RegistryError, match=f"{storage.address}.* answers 401"):
            list(registries.pieces(reference, describe(LAYER, CONTENT)))
        assert storage.asked == [("GET", "/blob", "")]


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    """Who vouches for a registry, and a file that says so."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ours.pem"))
    return ca, tmp_path / "ours.pem"


@contextmanager
def with_certificate(ca: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """A registry that is spoken to with TLS, though it is on loopback."""
    monkeypatch.setattr(Trust, "scheme", lambda *_: "https")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with served(Scripted(), context) as it:
        image = one_layer()
        it.manifests["1"] = (image.descriptor.media_type, image.manifest)
        yield it


def test_nothing_leads_out_of_encryption(
    authority: tuple[trustme.CA, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An upload that would go on in plain text is refused, and nothing is sent there."""
    ca, bundle = authority
    (tmp_path / "docker").mkdir()
    registries = Registries({"DOCKER_CONFIG": str(tmp_path / "docker")}, Trust(bundle))
    with with_certificate(ca, monkeypatch) as registry, served(Scripted(first=takes_all)) as plain:
        log_in(tmp_path, registry.address)
        registry.login, registry.first = "basic", leads_to(f"http://{plain.address}/upload/1")
        with pytest.raises(RegistryError, match="leads from https to http"):
            registries.push(one_layer(), parse_reference(f"{registry.address}/team/x:1"))
        assert plain.asked == []


def test_a_bundle_is_beside_the_usual_certificates(
    authority: tuple[trustme.CA, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both are trusted, each alone too; a file that holds none is told with its name."""
    ca, ours = authority
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    (empty := tmp_path / "empty.pem").write_text("nothing")
    with with_certificate(ca, monkeypatch) as registry:
        reference = parse_reference(f"{registry.address}/team/x:1")

        def digest(bundle: Path | None) -> str:
            return Registries({}, Trust(bundle)).digest(reference)

        assert digest(ours)
        with pytest.raises(RegistryError, match="certificate") as caught:
            digest(other)
        assert "--ca-bundle" in str(caught.value.hint)
        with pytest.raises(RegistryError, match=r"empty\.pem holds no certificates"):
            digest(empty)
        monkeypatch.setenv("SSL_CERT_FILE", str(ours))
        assert digest(None) == digest(other)


def test_a_token_service_that_is_a_page(scripted: Scripted, registries: Registries) -> None:
    """A portal that answers in its place, with HTML and 200, is told, and is no traceback."""

    def portal(handler: Handler) -> bool:
        if handler.path.startswith("/token"):
            handler.answer(200, b"<html>Welcome!</html>", {})
        return handler.path.startswith("/token")

    scripted.login, scripted.first = "bearer", portal
    with pytest.raises(RegistryError, match=f"its token service at {scripted.address} gives no token"):
        registries.digest(parse_reference(f"{scripted.address}/team/x:1"))


def test_threads_share_a_token(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """Those that begin together are let in by one."""
    scripted.login = "bearer"
    log_in(tmp_path, scripted.address)
    contents = [Content(describe(LAYER, each), partial(iter, [each])) for each in (b"a", b"b", b"c", b"d")]
    registries.send(contents, parse_reference(f"{scripted.address}/team/x:1"))
    assert scripted.methods("/token") == ["GET"]


def test_rights_that_a_registry_wants_beside(scripted: Scripted, registries: Registries, tmp_path: Path) -> None:
    """What its challenge names is asked for too, each repository once."""
    wanted = 'scope="repository:team/x:pull repository:team/y:pull"'
    challenge = f'Bearer realm="http://{scripted.address}/token",service=here,{wanted}'
    scripted.answers = [(401, {"WWW-Authenticate": challenge})]
    log_in(tmp_path, scripted.address)
    registries.send(
        [Content(describe(LAYER, b"a"), partial(iter, [b"a"]))], parse_reference(f"{scripted.address}/team/x")
    )
    [token] = [path for _, path, _ in scripted.asked if path.startswith("/token")]
    asked = parse_qs(token.partition("?")[2])
    assert asked == {"service": ["here"], "scope": ["repository:team/x:pull,push", "repository:team/y:pull"]}


def test_an_answer_without_end_is_not_taken(scripted: Scripted, registries: Registries) -> None:
    """Neither a manifest nor a blob is read further than it may be long."""
    sent = []

    def endless(handler: Handler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(64 << 20))
        handler.end_headers()
        for _ in range(64):
            handler.wfile.write(bytes(1 << 20))
            sent.append(1)
        return True

    scripted.first = endless
    reference = parse_reference(f"{scripted.address}/team/x:1")
    with pytest.raises(ContentError, match="is too large"):
        registries.manifest(reference)
    with pytest.raises(ContentError, match="sends more than the 10"):
        list(registries.pieces(reference, Descriptor(LAYER, f"sha256:{'1' * 64}", 10)))
    assert len(sent) < 64


def test_a_proxy_is_gone_by(scripted: Scripted, tmp_path: Path) -> None:
    """Where the environment names one, and not for this machine."""
    image, environ = one_layer(), {"HTTP_PROXY": f"http://me:a%40b@{scripted.address}", "HOME": str(tmp_path)}
    scripted.manifests["1"] = (image.descriptor.media_type, image.manifest)
    said = []

    def as_proxy(handler: Handler) -> bool:
        said.append(handler.headers.get("Proxy-Authorization"))
        handler.path = handler.path.removeprefix("http://registry.internal")
        return False

    scripted.first = as_proxy
    inside = parse_reference("registry.internal/team/x:1")
    assert Registries(environ, Trust(insecure=("registry.internal",))).manifest(inside)[0] == image.manifest
    assert said == [f"Basic {base64.b64encode(b'me:a@b').decode()}"]
    assert Registries({**environ, "HTTP_PROXY": "http://127.0.0.1:9"}).manifest(
        parse_reference(f"{scripted.address}/team/x:1")
    )


def test_a_proxy_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is refused reads that a proxy was in between, and nothing of its password."""
    monkeypatch.setattr(wire_module, "_WAIT", 0.01)
    environ = {"https_proxy": "http://me:secret@127.0.0.1:9", "HOME": str(tmp_path)}
    with pytest.raises(RegistryError, match="Connection refused") as caught:
        Registries(environ).digest(parse_reference("registry.example/team/x:1"))
    assert "by the proxy" in str(caught.value.hint)
    assert "secret" not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize("location", ["http://[x/", "http://host:port/", "ftp://host/x", "//:80/x"])
def test_what_is_no_address(scripted: Scripted, registries: Registries, location: str) -> None:
    """Where a registry leads nowhere, that is told."""
    scripted.answers = [(307, {"Location": location})]
    reference = parse_reference(f"{scripted.address}/team/x:1")
    with pytest.raises(RegistryError, match=r"leads (to what is no address|from http to ftp)"):
        registries.digest(reference)
    scripted.answers = [(401, {"WWW-Authenticate": f'Bearer realm="{location}"'})]
    with pytest.raises(RegistryError, match="does not say who gives rights"):
        registries.digest(reference)
