"""HTTPS: the certificate that clients are shown, read once before it is relied on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bentopack.errors import ServeError

if TYPE_CHECKING:
    from bentopack.serve.config import ServeConfig

PASSWORD = "BENTOPACK_SSL_KEYFILE_PASSWORD"  # noqa: S105 - a variable's name; an option would be seen in `ps`
_NO_PEM = "it holds no {} in PEM form, which begins with -----BEGIN"


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
    _load(certificate, key or certificate, password)
    return {"ssl_certfile": certificate, "ssl_keyfile": key, "ssl_keyfile_password": password}


def _load(certificate: str, key: str, password: str | None) -> None:
    import ssl  # only a service with a certificate has a use for it

    for option, path in (("--ssl-certfile", certificate), ("--ssl-keyfile", key)):
        try:
            with open(path, "rb"):  # noqa: PTH123 - to be told what is wrong with it
                pass
        except OSError as error:
            raise ServeError(f"{option}: {path}: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password of ours OpenSSL would ask for one at the terminal.
        context.load_cert_chain(certificate, key, password=password or "")
    except (ssl.SSLError, ValueError) as error:
        raise _refused(certificate, key, password, error) from None


def _refused(certificate: str, key: str, password: str | None, error: Exception) -> ServeError:
    """Say what OpenSSL means by its error."""
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return ServeError(f"--ssl-keyfile: {key} is not the key of the certificate in {certificate}")
    if not _has(certificate, b"CERTIFICATE-----"):
        return ServeError(f"--ssl-certfile: {certificate}: {_NO_PEM.format('certificate')}")
    if not _has(key, b"PRIVATE KEY-----"):
        return ServeError(f"--ssl-keyfile: {key}: {_NO_PEM.format('private key')}")
    if _has(key, b"ENCRYPTED"):
        said = "the password is not its own" if password else "the key is encrypted"
        return ServeError(f"--ssl-keyfile: {key}: {said}", hint=f"give its password as ${PASSWORD}")
    return ServeError(f"--ssl-certfile: {certificate}, --ssl-keyfile: {key}: OpenSSL refuses them: {reason or error}")


def _has(path: str, words: bytes) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123
        return words in file.read()
