"""Signatures of images as cosign makes and reads them, with a key of one's own: bytes in, bytes out, no network.

What cosign has is in its SIGNATURE_SPEC.md: a payload that names the image's digest, signed with ECDSA over P-256 and
SHA-256. The payload is a blob beside the image, the signature stands in an annotation.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentopack.errors import BentopackError, UsageError
from bentopack.oci.content import canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec
    from nacl.secret import SecretBox

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"

_TYPE = "cosign container image signature"
_CURVE = "secp256r1"
_KEY_BYTES = 64 * 1024
_COSIGN_KEY = re.compile(rb"-----BEGIN ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY-----([^-]*)-----END")
# The costs that cosign has had for its keys, and takes; it writes the second. Others could take all memory.
_COSTS = (1 << 15, 1 << 16, 1 << 17)
_BLOCKS, _LANES = 8, 1
_KDF, _CIPHER = "scrypt", "nacl/secretbox"


class SigningError(BentopackError):
    """A signature is not what it has to be."""

    exit_code = 9


class UnusableKey(UsageError):
    """A key, or what signs and verifies with it, cannot be used: nothing is said of what is signed."""


class NeedsPassword(UnusableKey):
    """A key is encrypted, and no password was given."""


@dataclass(frozen=True)
class SignedPayload:
    """What was signed, and the signature: an ECDSA one in DER, as base64."""

    payload: bytes
    signature: str


@dataclass(frozen=True)
class PrivateKeyFile:
    """A key to sign with, and where it came from."""

    path: Path
    key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True)
class PublicKeyFile:
    """A key to verify with, and where it came from."""

    path: Path
    key: ec.EllipticCurvePublicKey = field(repr=False)


def signature_tag(digest: str) -> str:
    """The tag under which an image's signatures are, in the image's repository.

    Raises:
        SigningError: it is no digest.
    """
    return f"{_checked(digest).replace(':', '-')}.sig"


def payload_for(reference: str, digest: str) -> bytes:
    """Write what is signed: byte for byte what cosign writes.

    Args:
        reference: the image's registry and repository. cosign does not compare it; podman and skopeo do.
        digest: of the image's manifest or index.

    Raises:
        SigningError: it is no digest.
    """
    image = {"docker-manifest-digest": _checked(digest)}
    critical = {"identity": {"docker-reference": reference}, "image": image, "type": _TYPE}
    return canonical({"critical": critical, "optional": None})


def sign(reference: str, digest: str, key: PrivateKeyFile) -> SignedPayload:
    """Sign an image. The same image and key give the same bytes, where the installed OpenSSL can do that.

    Args:
        reference: the image's registry and repository.
        digest: of the image's manifest or index.
        key: what :func:`load_private_key` read.

    Raises:
        SigningError: it is no digest.
        UnusableKey: the packages for this are not installed.
    """
    payload = payload_for(reference, digest)
    return SignedPayload(payload, _encoded(key.key.sign(payload, _ecdsa())))


def verify(signed: SignedPayload, digest: str, public_key: PublicKeyFile) -> None:
    """Verify that whoever has a key signed an image.

    Args:
        signed: what was found beside the image.
        digest: of the image's manifest or index, as it was computed and not as the payload tells it.
        public_key: what :func:`load_public_key` read.

    Raises:
        SigningError: the signature is not of this key, or is one of something else.
        UnusableKey: the packages for this are not installed.
    """
    with _extra():
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
    try:
        signature = _decoded(signed.signature)
        public_key.key.verify(signature, signed.payload, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        raise SigningError(f"the signature of {digest} was not made with the key of {public_key.path}") from None
    # Only now is what it says worth reading.
    if (found := _digest_in(signed.payload)) != digest:
        raise SigningError(f"the signature is of {found}, not of {digest}")


def load_private_key(path: Path, password: bytes | None) -> PrivateKeyFile:
    """Read a key to sign with: PEM, or what ``cosign generate-key-pair`` writes.

    Args:
        path: the file.
        password: for a key that is encrypted; cosign's may be encrypted with the empty one.

    Raises:
        UnusableKey: the file cannot be read, is no key, is one of another kind, or is encrypted with another password;
            or the packages for this are not installed.
    """
    with _extra():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key
    content = _read(path)
    encrypted = b"ENCRYPTED" in content
    if encrypted and password is None:
        raise NeedsPassword(f"{path}: the key is encrypted, and no password was given", hint="set COSIGN_PASSWORD")
    try:
        if cosign := _COSIGN_KEY.search(content):
            key = load_der_private_key(_decrypt(cosign[1], password or b""), None)
        else:
            # A password for a key that needs none is no mistake: it may be there for another.
            key = load_pem_private_key(content, password if encrypted else None)
    except UnsupportedAlgorithm:
        raise _other_kind(path) from None
    except (ValueError, TypeError, KeyError):
        if encrypted:
            raise UnusableKey(f"{path}: the password is not the key's, or the file is damaged") from None
        raise UnusableKey(f"{path}: expected a private key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != _CURVE:
        raise _other_kind(path)
    return PrivateKeyFile(path, key)


def load_public_key(path: Path) -> PublicKeyFile:
    """Read a key to verify with: PEM, as cosign and OpenSSL write it.

    Raises:
        UnusableKey: the file cannot be read, is no public key, or is one of another kind; or the packages for this are
            not installed.
    """
    with _extra():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    try:
        key = load_pem_public_key(_read(path))
    except UnsupportedAlgorithm:
        raise _other_kind(path) from None
    except ValueError:
        raise UnusableKey(f"{path}: expected a public key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != _CURVE:
        raise _other_kind(path)
    return PublicKeyFile(path, key)


@contextmanager
def _extra() -> Iterator[None]:
    """Say what to install where an import fails."""
    try:
        yield
    except ImportError:
        hint = 'install it: pip install "bentopack[sign]"'
        raise UnusableKey("what signs and verifies is not installed", hint=hint) from None


def _ecdsa() -> ec.ECDSA:
    """How to sign: without chance (RFC 6979), where the OpenSSL below knows how (3.2 and later)."""
    with _extra():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
    try:
        return ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:
        return ec.ECDSA(hashes.SHA256())


def _checked(digest: str) -> str:
    if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise SigningError(f"expected a digest, sha256:<hex>, found '{digest}'")
    return digest


def _digest_in(payload: bytes) -> str:
    try:
        critical = json.loads(payload)["critical"]
        kind, digest = critical["type"], critical["image"]["docker-manifest-digest"]
    except (ValueError, KeyError, TypeError):
        kind, digest = None, None
    if kind != _TYPE or not isinstance(digest, str):
        raise SigningError("what was signed is not the signature of an image")
    return digest


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_KEY_BYTES)
    except OSError as error:
        raise UnusableKey(f"{path}: the key cannot be read: {error.strerror}") from None


def _other_kind(path: Path) -> UnusableKey:
    hint = "make one with `cosign generate-key-pair`"
    return UnusableKey(f"{path}: expected an ECDSA key over P-256, found one of another kind", hint=hint)


def _decrypt(body: bytes, password: bytes) -> bytes:
    """What cosign encrypted. Raises ValueError, KeyError or TypeError where it is something else."""
    sealed: Any = json.loads(_decoded(b"".join(body.split())))
    kdf, cipher = sealed["kdf"], sealed["cipher"]
    cost, *others = (kdf["params"][each] for each in "Nrp")
    if cost not in _COSTS or others != [_BLOCKS, _LANES] or (kdf["name"], cipher["name"]) != (_KDF, _CIPHER):
        raise ValueError
    box = _box(password, _decoded(kdf["salt"]), cost)
    with _extra():
        from nacl.exceptions import CryptoError
    try:
        return box.decrypt(_decoded(sealed["ciphertext"]), _decoded(cipher["nonce"]))
    except CryptoError:
        raise ValueError from None


def _box(password: bytes, salt: bytes, cost: int) -> SecretBox:
    with _extra():
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
        from nacl.secret import SecretBox
    return SecretBox(Scrypt(salt, SecretBox.KEY_SIZE, cost, _BLOCKS, _LANES).derive(password))


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decoded(text: str | bytes) -> bytes:
    return base64.b64decode(text, validate=True)
