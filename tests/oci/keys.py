"""Keys as cosign writes them."""

from __future__ import annotations

import base64
import json
import os

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from nacl.secret import SecretBox


def generate_key_pair(password: bytes | None) -> tuple[bytes, bytes]:
    """Make a private key, encrypted as cosign does where there is a password, and its public one; both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.Encoding.PEM if password is None else serialization.Encoding.DER
    private = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private if password is None else _encrypted(private, password), public


def _encrypted(key: bytes, password: bytes) -> bytes:
    salt, nonce, cost = os.urandom(32), os.urandom(24), 1 << 16
    box = SecretBox(Scrypt(salt, SecretBox.KEY_SIZE, cost, 8, 1).derive(password))
    document = {
        "kdf": {"name": "scrypt", "params": {"N": cost, "r": 8, "p": 1}, "salt": _text(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": _text(nonce)},
        "ciphertext": _text(box.encrypt(key, nonce).ciphertext),
    }
    body = _text(json.dumps(document).encode())
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    label = "ENCRYPTED SIGSTORE PRIVATE KEY"
    return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", "")).encode()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
