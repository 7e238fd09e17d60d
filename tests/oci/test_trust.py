"""Which proxy is gone by, if any."""

from __future__ import annotations

import pytest

from bentopack.errors import RegistryError
from bentopack.oci.trust import proxy_of

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("url", "environ", "wanted"),
    [
        ("https://ghcr.io/v2/", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://ghcr.io/v2/", {"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, PROXY),
        ("https://ghcr.io/v2/", {"ALL_PROXY": "proxy:3128"}, PROXY),
        ("https://ghcr.io/v2/", {"HTTP_PROXY": PROXY}, ""),
        ("http://registry.internal/v2/", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://ghcr.io/v2/", {}, ""),
        ("https://ghcr.io/v2/", {"HTTPS_PROXY": ""}, ""),
        ("http://127.0.0.1:5000/v2/", {"HTTP_PROXY": PROXY}, ""),
        ("https://localhost/v2/", {"ALL_PROXY": PROXY}, ""),
        ("http://[::1]:5000/v2/", {"HTTP_PROXY": PROXY}, ""),
    ],
)
def test_what_the_environment_names(url: str, environ: dict[str, str], wanted: str) -> None:
    """By the scheme of what is asked for, small letters first; this machine is reached by none."""
    assert proxy_of(url, environ) == wanted


@pytest.mark.parametrize(
    ("without", "is_direct"),
    [
        ("registry.corp.example", True),
        ("other.example, corp.example", True),
        (".corp.example", True),
        ("*.corp.example", True),
        ("REGISTRY.CORP.EXAMPLE", True),
        ("*", True),
        ("registry.corp.example:5000", True),
        ("registry.corp.example:443", False),
        ("orp.example", False),
        ("10.0.0.0/8", False),
    ],
)
def test_who_is_asked_without(without: str, is_direct: bool) -> None:
    """A host, all of a domain, with a port or any; nothing that only looks alike."""
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": without}
    assert proxy_of("https://registry.corp.example:5000/v2/", environ) == ("" if is_direct else PROXY)


@pytest.mark.parametrize(("without", "is_direct"), [("10.0.0.0/8", True), ("10.1.2.3", True), ("10.2.0.0/16", False)])
def test_networks_are_asked_without(without: str, is_direct: bool) -> None:
    """An address, or all of a network."""
    environ = {"HTTPS_PROXY": PROXY, "no_proxy": without}
    assert proxy_of("https://10.1.2.3/v2/", environ) == ("" if is_direct else PROXY)


def test_a_proxy_of_another_kind() -> None:
    """It is told, without its password."""
    with pytest.raises(RegistryError, match="begins with socks5://") as caught:
        proxy_of("https://ghcr.io/v2/", {"HTTPS_PROXY": "socks5://me:secret@proxy:1080"})
    assert "secret" not in f"{caught.value}{caught.value.hint}"
