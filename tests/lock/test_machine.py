"""What a machine says of its indexes, for pip or for uv."""

from __future__ import annotations

import pytest

from bentopack.lock.credentials import concealing
from bentopack.lock.machine import as_pip_reads, as_uv_reads, authorised, authorised_lines, with_limits
from bentopack.lock.resolver import Indexes

PIP = {"PIP_INDEX_URL": "https://mirror/simple", "PIP_EXTRA_INDEX_URL": "https://extra/simple"}


def test_an_index_that_pip_is_told_of_is_uvs_too() -> None:
    """A machine whose pip is pointed at a mirror needs no second setting, unless uv has its own."""
    assert as_uv_reads(PIP) == {"UV_DEFAULT_INDEX": "https://mirror/simple", "UV_INDEX": "https://extra/simple"}
    assert as_uv_reads({**PIP, "UV_DEFAULT_INDEX": "https://own/simple"}) == {"UV_INDEX": "https://extra/simple"}
    assert as_uv_reads({**PIP, "UV_INDEX_URL": "https://own/simple"}) == {"UV_INDEX": "https://extra/simple"}
    assert as_uv_reads({}) == {}


def test_an_index_that_uv_is_told_of_is_pips_too() -> None:
    """pip, which reads licences and makes environments, looks where uv locked, unless it has its own."""
    told = {
        "UV_INDEX_URL": "https://mirror/simple",
        "UV_INDEX": "https://one/simple my-own=https://two/simple",
        "UV_INDEX_MY_OWN_USERNAME": "bob",
        "UV_INDEX_MY_OWN_PASSWORD": "p/w",
    }
    assert as_pip_reads(told) == {
        "PIP_INDEX_URL": "https://mirror/simple",
        "PIP_EXTRA_INDEX_URL": "https://one/simple https://bob:p%2Fw@two/simple",
    }
    assert as_pip_reads({**told, **PIP}) == {}


@pytest.mark.parametrize(
    ("pips", "uvs"), [("import", "subprocess"), ("subprocess", "subprocess"), ("auto", None), ("disabled", None)]
)
def test_a_keyring_is_asked_by_both_once_one_may(pips: str, uvs: str | None) -> None:
    """pip's two ways to a keyring are uv's one; pip's own default turns nothing on."""
    assert as_uv_reads({"PIP_KEYRING_PROVIDER": pips}).get("UV_KEYRING_PROVIDER") == uvs
    both = {"PIP_KEYRING_PROVIDER": pips, "UV_KEYRING_PROVIDER": "disabled"}
    assert "UV_KEYRING_PROVIDER" not in as_uv_reads(both)


def test_the_users_patience_is_kept() -> None:
    """How long an index is waited for is shortened only where nobody said anything of it."""
    limits = with_limits({}, {})
    assert int(limits["UV_HTTP_TIMEOUT"]) * (1 + int(limits["UV_HTTP_RETRIES"])) == 60
    assert "UV_HTTP_TIMEOUT" not in with_limits({"UV_HTTP_TIMEOUT": "300"}, {})
    assert with_limits({}, as_uv_reads({"PIP_DEFAULT_TIMEOUT": "180", "PIP_RETRIES": "0"})) == {
        "UV_HTTP_TIMEOUT": "180",
        "UV_HTTP_RETRIES": "0",
    }


def test_credentials_are_for_their_own_address_alone() -> None:
    """What the environment knows of one index is never sent to another, and a project's own credentials stay."""
    known = {"PIP_EXTRA_INDEX_URL": "https://bob:pw@host.example/simple/"}

    def with_them(url: str) -> str | None:
        return authorised(Indexes(index_url=url), known).index_url

    assert with_them("https://host.example/simple") == "https://bob:pw@host.example/simple/"
    for other in (
        "https://host.example/other",
        "http://host.example/simple",
        "https://host.example.evil/simple",
        "https://${T}@host.example/simple",
        "https://eve:x@host.example/simple",
    ):
        assert with_them(other) == other
    lines = "--index-url https://host.example/simple\n--extra-index-url https://x.example/s\na==1 \\\n    --hash=x\n"
    assert authorised_lines(lines, known) == lines.replace("https://host.example/simple", known["PIP_EXTRA_INDEX_URL"])


def test_values_of_variables_are_told_by_their_names() -> None:
    """A token is hidden wherever it stands, written as it is or as in addresses; what nobody refers to is not."""
    conceal = concealing(["-i https://h/${TOKEN}/${A}"], {"TOKEN": "s3/cret", "A": "b", "HOME": "/home/u"})
    assert conceal("GET https://h/s3/cret/b https://h/s3%2Fcret/b /home/u") == (
        "GET https://h/${TOKEN}/b https://h/${TOKEN}/b /home/u"
    )
