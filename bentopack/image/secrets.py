"""Build secrets: ``--secret id=pip.conf,src=./pip.conf``, the spelling that ``docker build`` knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bentopack.errors import BentopackError
from bentopack.image import validate
from bentopack.image.render import CA_BUNDLE


@dataclass(frozen=True)
class Secret:
    """A file that one step of the build may read, and that no layer holds."""

    id: str
    source: Path

    @property
    def option(self) -> str:
        """The value of ``docker build --secret``."""
        return f"id={self.id},src={self.source}"


class BadSecret(BentopackError):
    """A ``--secret`` that cannot be used. Its message never holds what the secret says."""

    exit_code = 2


def parse_secret(text: str) -> Secret:
    """Read ``id=NAME,src=FILE``; ``src`` may be left out where the file's name is the id.

    Raises:
        BadSecret: it is not of that form, or there is no such file.
        PlanError: the id cannot be a file name.
    """
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    unknown = fields.keys() - {"id", "src", "source", "type"}
    if "id" not in fields or unknown or fields.get("type", "file") != "file":
        given = ", ".join(f"{key}=…" for key in fields)
        raise BadSecret(f"--secret: expected id=NAME,src=FILE, found {given}")
    name = validate.secret_id(fields["id"])
    if name == CA_BUNDLE:
        raise BadSecret(f"--secret: the id {CA_BUNDLE} is that of --ca-bundle")
    source = Path(fields.get("src") or fields.get("source") or name).expanduser().absolute()
    if not source.is_file():
        raise BadSecret(f"--secret {name}: there is no file {source}")
    return Secret(name, require_plain(source, f"--secret {name}"))


def require_plain(path: Path, option: str) -> Path:
    """Return a path that builders can be told: they part what they are told at commas.

    Raises:
        BadSecret: it has a comma or a quote in it.
    """
    if re.search('[,"]', str(path)):
        raise BadSecret(f"{option}: builders take no path with a comma or a quote in it: {path}")
    return path


def beside_usual(bundle: Path, environ: Mapping[str, str]) -> bytes:
    """Certificates of the user's own and, above them, those that this machine trusts: a build is told of one file.

    Args:
        bundle: the user's.
        environ: may name the machine's, as OpenSSL reads it.
    """
    import ssl

    named = (environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().openssl_cafile, *_USUAL)
    usual = next((found for each in named if each and (found := _read(Path(each)))), b"")
    own = bundle.read_bytes()
    return own if len(usual) + len(own) >= _LARGEST else usual + b"\n" + own


_LARGEST = 500 << 10  # bytes; BuildKit takes no secret that is larger
# Where Debian, Red Hat and Alpine have them.
_USUAL = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
