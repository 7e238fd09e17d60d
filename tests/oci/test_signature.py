"""Signatures of images, as cosign has them."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bentopack.oci.signature import (
    PrivateKeyFile,
    PublicKeyFile,
    SignedPayload,
    SigningError,
    UnusableKey,
    load_private_key,
    load_public_key,
    payload_for,
    sign,
    signature_tag,
    verify,
)
from tests.conftest import missing

from .keys import generate_key_pair

REFERENCE = "registry.example/team/app"
DIGEST = f"sha256:{'a1' * 32}"
OTHER = f"sha256:{'b2' * 32}"
PASSWORD = b"correct horse"
Pair = tuple[PrivateKeyFile, PublicKeyFile]


def write_pair(folder: Path, name: str, password: bytes | None = None) -> Pair:
    """A new pair of keys in files."""
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    for path, content in zip((private, public), generate_key_pair(password), strict=True):
        path.write_bytes(content)
    return load_private_key(private, password), load_public_key(public)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Keys without a password."""
    return write_pair(tmp_path, "cosign")


def pem(key: Any, form: PrivateFormat, encryption: KeySerializationEncryption) -> bytes:
    """A private key of any kind as text."""
    return bytes(key.private_bytes(Encoding.PEM, form, encryption))


def public_pem(key: Any) -> bytes:
    """The public key of any kind of private one, as text."""
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def sealed_in(key: bytes) -> dict[str, Any]:
    """What a key that cosign encrypted is made of."""
    body = b"".join(key.splitlines()[1:-1])
    found: dict[str, Any] = json.loads(base64.b64decode(body))
    return found


def seal(sealed: object, label: str = "SIGSTORE") -> bytes:
    """Write such a key."""
    body = base64.b64encode(json.dumps(sealed).encode()).decode()
    return (
        f"-----BEGIN ENCRYPTED {label} PRIVATE KEY-----\n{body}\n-----END ENCRYPTED {label} PRIVATE KEY-----\n".encode()
    )


def test_where_signatures_are() -> None:
    """The tag is the image's digest, as the specification's own example has it."""
    digest = "97fc222cee7991b5b061d4d4afdb5f3428fcb0c9054e1690313786befa1e4e36"
    assert signature_tag(f"sha256:{digest}") == f"sha256-{digest}.sig"


@pytest.mark.parametrize("wrong", ["", "latest", "sha256:ab", f"sha512:{'a1' * 32}", f"{DIGEST}\n", DIGEST.upper()])
def test_what_is_no_digest_is_not_signed(wrong: str, pair: Pair) -> None:
    """A signature of anything else would say nothing."""
    for refused in (lambda: signature_tag(wrong), lambda: sign(REFERENCE, wrong, pair[0])):
        with pytest.raises(SigningError, match="expected a digest"):
            refused()


def test_what_is_signed() -> None:
    """These bytes are those that cosign writes for the same image."""
    assert payload_for(REFERENCE, DIGEST) == (
        b'{"critical":{"identity":{"docker-reference":"registry.example/team/app"},'
        b'"image":{"docker-manifest-digest":"' + DIGEST.encode() + b'"},'
        b'"type":"cosign container image signature"},"optional":null}'
    )


def test_what_was_signed_is_verified(pair: Pair) -> None:
    """With the key that belongs to it, and the payload is the image's."""
    signed = sign(REFERENCE, DIGEST, pair[0])
    assert signed.payload == payload_for(REFERENCE, DIGEST)
    verify(signed, DIGEST, pair[1])


def test_the_same_image_and_key_give_the_same_signature(pair: Pair) -> None:
    """A second push of it has nothing new; another image has another."""
    assert sign(REFERENCE, DIGEST, pair[0]) == sign(REFERENCE, DIGEST, pair[0])
    assert sign(REFERENCE, DIGEST, pair[0]).signature != sign(REFERENCE, OTHER, pair[0]).signature


def test_an_openssl_that_cannot_do_that_signs_all_the_same(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a chance in it then, and no less valid."""
    asked = []
    known = ec.ECDSA

    def older(algorithm: SHA256, deterministic_signing: bool = False) -> ec.ECDSA:
        asked.append(deterministic_signing)
        if deterministic_signing:
            raise UnsupportedAlgorithm("not by this version of OpenSSL")
        return known(algorithm)

    monkeypatch.setattr(ec, "ECDSA", older)
    verify(sign(REFERENCE, DIGEST, pair[0]), DIGEST, pair[1])
    assert asked[:2] == [True, False]


def test_the_signature_of_another_key_is_refused(pair: Pair, tmp_path: Path) -> None:
    """The error names the key that was expected."""
    signed = sign(REFERENCE, DIGEST, write_pair(tmp_path, "other")[0])
    with pytest.raises(SigningError, match=r"was not made with the key of .*cosign\.pub") as caught:
        verify(signed, DIGEST, pair[1])
    assert caught.value.exit_code == 9


def test_the_signature_of_another_image_is_refused(pair: Pair) -> None:
    """It is a good one, beside the wrong image."""
    with pytest.raises(SigningError, match=f"is of {OTHER}, not of {DIGEST}"):
        verify(sign(REFERENCE, OTHER, pair[0]), DIGEST, pair[1])


def test_what_was_changed_after_signing_is_refused(pair: Pair) -> None:
    """Whether it is the payload or the signature that was."""
    signed = sign(REFERENCE, OTHER, pair[0])
    changed = SignedPayload(payload_for(REFERENCE, DIGEST), signed.signature)
    for wrong in (
        changed,
        *(SignedPayload(signed.payload, text) for text in ("", "AAAA", "ümlaut", "=", "not base64")),
    ):
        with pytest.raises(SigningError, match="was not made with the key"):
            verify(wrong, DIGEST, pair[1])


@pytest.mark.parametrize(
    "payload",
    [
        b"hello",
        b"[]",
        b'{"critical": null}',
        json.dumps(
            {"critical": {"type": "atomic container signature", "image": {"docker-manifest-digest": DIGEST}}}
        ).encode(),
        json.dumps({"critical": {"type": "cosign container image signature", "image": {}}}).encode(),
        json.dumps(
            {"critical": {"type": "cosign container image signature", "image": {"docker-manifest-digest": 1}}}
        ).encode(),
    ],
)
def test_what_else_was_signed_with_the_key_is_no_image(payload: bytes, pair: Pair) -> None:
    """A signature of a letter is not one of an image, though it holds."""
    signature = base64.b64encode(pair[0].key.sign(payload, ec.ECDSA(SHA256()))).decode()
    with pytest.raises(SigningError, match="not the signature of an image"):
        verify(SignedPayload(payload, signature), DIGEST, pair[1])


@pytest.mark.parametrize(
    ("form", "encryption", "password"),
    [
        (PrivateFormat.PKCS8, NoEncryption(), None),
        (PrivateFormat.PKCS8, NoEncryption(), PASSWORD),
        (PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD), PASSWORD),
        (PrivateFormat.TraditionalOpenSSL, NoEncryption(), None),
        (PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(PASSWORD), PASSWORD),
    ],
)
def test_a_key_in_pem(
    form: PrivateFormat, encryption: KeySerializationEncryption, password: bytes | None, tmp_path: Path
) -> None:
    """Plain and encrypted; a password that is not needed does not matter."""
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key").write_bytes(pem(key, form, encryption))
    (tmp_path / "pub").write_bytes(public_pem(key))
    verify(
        sign(REFERENCE, DIGEST, load_private_key(tmp_path / "key", password)), DIGEST, load_public_key(tmp_path / "pub")
    )


@pytest.mark.parametrize("password", [PASSWORD, b""])
def test_a_key_that_cosign_encrypted(password: bytes, tmp_path: Path) -> None:
    """An empty password is one too, and the older label means the same."""
    private, public = write_pair(tmp_path, "cosign", password)
    content = private.path.read_bytes()
    assert content.startswith(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    assert sealed_in(content)["kdf"]["params"] == {"N": 65536, "r": 8, "p": 1}
    verify(sign(REFERENCE, DIGEST, private), DIGEST, public)
    older = tmp_path / "older.key"
    older.write_bytes(content.replace(b"SIGSTORE", b"COSIGN"))
    verify(sign(REFERENCE, DIGEST, load_private_key(older, password)), DIGEST, public)


@pytest.mark.parametrize("cosign", [True, False])
def test_a_wrong_password(cosign: bool, tmp_path: Path) -> None:
    """The error names the file, and neither the password nor anything of the key."""
    path = tmp_path / "cosign.key"
    key = ec.generate_private_key(ec.SECP256R1())
    plain = pem(key, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD))
    path.write_bytes(generate_key_pair(PASSWORD)[0] if cosign else plain)
    for password, told in ((b"hunter2", "the password is not the key's"), (None, "no password was given")):
        with pytest.raises(UnusableKey, match=told) as caught:
            load_private_key(path, password)
        assert str(path) in str(caught.value)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "change",
    [
        {"N": 1 << 30},
        {"r": 1 << 20},
        {"p": 1 << 20},
        {"N": "65536"},
        {"N": None},
    ],
)
def test_a_key_that_would_take_all_memory_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    """Its costs are taken as cosign has them alone."""
    path = tmp_path / "cosign.key"
    sealed = sealed_in(generate_key_pair(PASSWORD)[0])
    sealed["kdf"]["params"] |= change
    path.write_bytes(seal(sealed))
    with pytest.raises(UnusableKey, match="or the file is damaged"):
        load_private_key(path, PASSWORD)


@pytest.mark.parametrize("sealed", [[], {}, {"kdf": "scrypt", "cipher": {}}, "text", None, 1])
def test_a_damaged_key_of_cosigns(sealed: object, tmp_path: Path) -> None:
    """It is one clear error, whatever is there."""
    path = tmp_path / "cosign.key"
    path.write_bytes(seal(sealed))
    with pytest.raises(UnusableKey, match="or the file is damaged"):
        load_private_key(path, PASSWORD)


@pytest.mark.parametrize("field", ["nonce", "ciphertext", "salt"])
def test_a_part_of_cosigns_key_that_was_cut(field: str, tmp_path: Path) -> None:
    """A nonce of another length is no crash."""
    path = tmp_path / "cosign.key"
    sealed = sealed_in(generate_key_pair(PASSWORD)[0])
    holder = {"nonce": sealed["cipher"], "salt": sealed["kdf"], "ciphertext": sealed}[field]
    holder[field] = holder[field][:8]
    path.write_bytes(seal(sealed))
    with pytest.raises(UnusableKey, match="or the file is damaged"):
        load_private_key(path, PASSWORD)


def test_a_file_that_is_no_key(pair: Pair, tmp_path: Path) -> None:
    """Nor is one half of a pair the other."""
    text = tmp_path / "text"
    text.write_text("secret words")
    for path in (text, pair[1].path):
        with pytest.raises(UnusableKey, match=f"{path}: expected a private key in PEM"):
            load_private_key(path, None)
    for path in (text, pair[0].path):
        with pytest.raises(UnusableKey, match=f"{path}: expected a public key in PEM") as caught:
            load_public_key(path)
        assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """It is told why: there is none, or it is a folder."""
    for path, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UnusableKey, match=f"{path}: the key cannot be read: {why}"):
            load_private_key(path, None)
        with pytest.raises(UnusableKey, match=f"{path}: the key cannot be read: {why}"):
            load_public_key(path)


@pytest.mark.parametrize("kind", ["P-384", "secp256k1", "Ed25519", "RSA"])
def test_a_key_of_another_kind(kind: str, tmp_path: Path) -> None:
    """cosign would compute other signatures with it, or take none."""
    makers: dict[str, Callable[[], Any]] = {
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
    }
    key = makers[kind]()
    (tmp_path / "key").write_bytes(pem(key, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "pub").write_bytes(public_pem(key))
    with pytest.raises(UnusableKey, match="key: expected an ECDSA key over P-256"):
        load_private_key(tmp_path / "key", None)
    with pytest.raises(UnusableKey, match="pub: expected an ECDSA key over P-256"):
        load_public_key(tmp_path / "pub")


def test_a_key_is_not_shown(pair: Pair) -> None:
    """Where a key is printed, its file is."""
    assert repr(pair[0]) == f"PrivateKeyFile(path={pair[0].path!r})"


@pytest.mark.parametrize("package", ["cryptography", "nacl"])
def test_without_the_extra(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is told, where either package is missing."""
    path = tmp_path / "cosign.key"
    path.write_bytes(generate_key_pair(PASSWORD)[0])
    for name in [each for each in sys.modules if each.partition(".")[0] == package]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UnusableKey, match="not installed") as caught:
        load_private_key(path, PASSWORD)
    assert caught.value.hint == 'install it: pip install "bentopack[sign]"'


def test_the_module_is_imported_without_the_extra() -> None:
    """Whoever signs nothing pays nothing: neither package is loaded before it is used."""
    code = "import sys, bentopack.oci.signature; sys.exit(bool({'cryptography', 'nacl'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def openssl(tmp_path: Path) -> Any:
    """OpenSSL's command line, in the test's folder."""
    program = shutil.which("openssl")
    if not program:
        missing("no openssl")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_openssl_accepts_our_signature(openssl: Any, pair: Pair, tmp_path: Path) -> None:
    """And does not accept it of another payload."""
    signed = sign(REFERENCE, DIGEST, pair[0])
    (tmp_path / "signature").write_bytes(base64.b64decode(signed.signature))
    (tmp_path / "payload").write_bytes(signed.payload)
    check = ("dgst", "-sha256", "-verify", "cosign.pub", "-signature", "signature", "payload")
    assert openssl(*check).stdout == "Verified OK\n"
    (tmp_path / "payload").write_bytes(payload_for(REFERENCE, OTHER))
    assert openssl(*check).returncode != 0


@pytest.mark.parametrize(
    ("make", "password"),
    [
        ("ecparam -name prime256v1 -genkey -out key", None),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key", None),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass pass:pw -out key", b"pw"),
    ],
)
def test_openssls_keys_and_signatures_are_accepted(
    make: str, password: bytes | None, openssl: Any, tmp_path: Path
) -> None:
    """As each of its commands writes them."""
    (tmp_path / "payload").write_bytes(payload_for(REFERENCE, DIGEST))
    unlock = ("-passin", f"pass:{(password or b'').decode()}")
    for command in (
        make.split(),
        ("pkey", "-in", "key", *unlock, "-pubout", "-out", "pub"),
        ("dgst", "-sha256", "-sign", "key", *unlock, "-out", "signature", "payload"),
    ):
        done = openssl(*command)
        assert done.returncode == 0, done.stderr
    public = load_public_key(tmp_path / "pub")
    signature = base64.b64encode((tmp_path / "signature").read_bytes()).decode()
    verify(SignedPayload(payload_for(REFERENCE, DIGEST), signature), DIGEST, public)
    verify(sign(REFERENCE, DIGEST, load_private_key(tmp_path / "key", password)), DIGEST, public)
