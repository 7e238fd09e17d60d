"""HTTPS: the certificate that clients are shown, read once before it is relied on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bentopack.errors import ServeError

if TYPE_CHECKING:
    from bentopack.serve.config import ServeConfig

PASSWORD = "BENTOPACK_SSL_KEYFILE_PASSWORD"  # noqa: S105 - a variable's name; an option would be seen in `ps`
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; uvicorn before 0.48 has none but those of TLS 1.0
_STRANGERS = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


def options_of(config: ServeConfig) -> dict[str, Any]:
    """Return what uvicorn is to be told, which is nothing where no certificate is configured.

    Raises:
        ServeError: the certificate or its key cannot be used, and why.
    """
    certificate, key = config.ssl_certfile, config.ssl_keyfile
    if certificate is None:
        if key is not None:
            raise ServeError("--ssl-keyfile without --ssl-certfile", hint="give the certificate as well")
        return {}
    password = os.environ.get(PASSWORD)
    _load(Path(certificate), Path(key or certificate), password)
    return {
        "ssl_certfile": certificate,
        "ssl_keyfile": key,
        "ssl_keyfile_password": password,
        "ssl_ciphers": _CIPHERS,
    }


def _load(certificate: Path, key: Path, password: str | None) -> None:
    import ssl  # only a service with a certificate has a use for it

    _look("--ssl-certfile", certificate, "certificate")
    _look("--ssl-keyfile", key, "private key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError:
        raise ServeError(f"--ssl-certfile: {certificate}: the certificate is damaged") from None
    asked = False

    def ask() -> str:  # where there was nobody to ask, OpenSSL would ask at the terminal
        nonlocal asked
        asked = True
        return password or ""

    try:
        context.load_cert_chain(certificate, key, ask)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None)
        if reason in _STRANGERS:
            what = f"is not the key of the certificate in {certificate}"
            raise ServeError(f"--ssl-keyfile: {key} {what}") from None
        if asked:
            what = "its password is another" if password else "it is encrypted"
            raise ServeError(f"--ssl-keyfile: {key}: {what}", hint=f"give its password as ${PASSWORD}") from None
        raise ServeError(f"--ssl-keyfile: {key}: OpenSSL cannot use it: {reason or 'it is damaged'}") from None


def _look(option: str, path: Path, kind: str) -> None:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ServeError(f"{option}: {path}: {error.strerror}") from None
    if f"{kind.upper()}-----".encode() not in text:
        raise ServeError(f"{option}: {path}: it holds no {kind} in PEM form, which begins with -----BEGIN")
