"""An index that is down, slow, private, or lacks what is asked for: a real one on this machine, and both resolvers."""

from __future__ import annotations

import shutil
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bentopack.errors import LockError
from bentopack.lock.failure import unresolved
from bentopack.lock.licences import with_licences
from bentopack.lock.pip_tools import PipToolsResolver
from bentopack.lock.resolver import Indexes, LockedPackage, Request, Resolver, Target, host_target
from bentopack.lock.uv import UvResolver
from bentopack.lock.wheels import local_wheel, wheels_in
from tests.doubles import Recorder
from tests.index import LocalIndex, serving_index
from tests.lock.wheel import write_wheel

BOTH = pytest.mark.parametrize("resolver", [UvResolver(), PipToolsResolver()], ids=["uv", "pip-tools"])
USER = "bob-7f3a:hunter2-c0ffee"
PASSWORD = "hunter2-c0ffee"
# Stands in for the keyring of a desktop: the command, in the form that uv calls it, and in that of pip.
KEYRING = """\
#!{python}
import json, sys
*options, get, address, user = sys.argv[1:]
if (get, user) == ("get", "{user}"):
    print(json.dumps({{"username": user, "password": "{password}"}}) if options else "{password}")
"""


@pytest.fixture(autouse=True)
def machine(fresh_machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What fails is tried once, so that a test of it is short."""
    monkeypatch.setenv("PIP_RETRIES", "0")
    return fresh_machine


def request(tmp_path: Path, *lines: str, index: str | None = None) -> Request:
    """A request for a Bento whose runtime needs nothing."""
    runtime = write_wheel(tmp_path / "bentopack-0.1.0-py3-none-any.whl", "bentopack", "0.1.0")
    return Request(lines, (), (), runtime, Indexes(index_url=index))


def refusal(resolver: Resolver, asked: Request, target: Target | None = None) -> str:
    """What is said where a request cannot be resolved, which never holds the password."""
    recorder = Recorder()
    with pytest.raises(LockError) as error:
        resolver.resolve(asked, target or host_target(), recorder)
    assert PASSWORD not in str(error.value)
    assert PASSWORD not in str(recorder.lines)
    assert "Traceback" not in str(error.value)
    assert "bentopack-lock-" not in str(error.value)
    return str(error.value)


@BOTH
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"status": 500}, "an index fails: {url} (asked for 'thing')"),
        ({"status": 503}, "an index fails: {url} (asked for 'thing')"),
        ({"status": 403}, "an index refuses, or asks who is there: {url}"),
        ({"user": "another:word"}, "an index refuses, or asks who is there: {url}"),
        ({"status": 404}, "thing"),
        ({"page": "<<<\0 no page at all"}, "thing"),
    ],
    ids=["500", "503", "403", "401", "404", "garbage"],
)
def test_an_index_that_fails_is_named(
    tmp_path: Path, resolver: Resolver, options: dict[str, object], said: str
) -> None:
    """What an index answers instead of a page is told with its address, never with the credentials that it got."""
    with serving_index(**options) as index:
        told = refusal(resolver, request(tmp_path, "thing", index=index.url_with(USER)))
        assert said.format(url=index.url) in told


@BOTH
def test_an_index_that_is_down_is_named(tmp_path: Path, resolver: Resolver) -> None:
    """A port where nobody listens is told at once, with the package that was asked for."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    told = refusal(resolver, request(tmp_path, "thing", index=f"http://{USER}@127.0.0.1:{port}/simple"))
    assert f"an index cannot be reached: http://127.0.0.1:{port}/simple (asked for 'thing')" in told
    assert "HTTPS_PROXY" in told


def test_an_index_with_no_such_host_is_named(tmp_path: Path) -> None:
    """A name that no host has is told as one."""
    told = refusal(UvResolver(), request(tmp_path, "thing", index=f"https://{USER}@index.invalid/simple"))
    assert "an index cannot be reached: https://index.invalid/simple (asked for 'thing')" in told


@BOTH
def test_an_index_that_hangs_is_given_up(tmp_path: Path, resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that never answers ends in a message that says so, and which setting waits longer."""
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "1")
    with serving_index(silent=True) as index:
        told = refusal(resolver, request(tmp_path, "thing", index=index.url_with(USER)))
    assert f"an index did not answer in time: {index.url} (asked for 'thing')" in told
    assert "UV_HTTP_TIMEOUT or PIP_DEFAULT_TIMEOUT" in told


def test_an_index_that_takes_no_connection_is_given_up() -> None:
    """A connection that nobody takes in time, which uv tells in words of its own, is waited for longer by the same."""
    said = ["error: Failed to fetch: `https://index.invalid/simple/thing/`", "cause: deadline has elapsed"]
    error = unresolved(said, [], {})
    assert "an index did not answer in time: https://index.invalid/simple (asked for 'thing')" in error.message
    assert "UV_HTTP_TIMEOUT" in str(error.hint)


@BOTH
def test_a_second_index_that_fails_is_not_passed_over(tmp_path: Path, resolver: Resolver) -> None:
    """Where the private index is down the public one's package of the same name is not taken instead."""
    with serving_index() as public, serving_index(status=503) as private:
        public.add_wheel(tmp_path, "thing", "1.0")
        asked = request(tmp_path, "thing", index=public.url)
        asked = replace(asked, indexes=replace(asked.indexes, extra_index_url=(private.url,)))
        assert f"an index fails: {private.url}" in refusal(resolver, asked)


@BOTH
def test_a_page_that_one_index_lacks_is_no_failure(tmp_path: Path, resolver: Resolver) -> None:
    """Of two indexes each may have what the other lacks."""
    with serving_index() as one, serving_index() as other:
        one.add_wheel(tmp_path, "thing", "1.0")
        other.add_wheel(tmp_path, "more", "2.0")
        asked = request(tmp_path, "thing", "more", index=one.url)
        asked = replace(asked, indexes=replace(asked.indexes, extra_index_url=(other.url,)))
        found = resolver.resolve(asked, host_target(), Recorder())
    assert [(each.name, each.version) for each in found] == [("more", "2.0"), ("thing", "1.0")]


@BOTH
def test_the_projects_index_comes_before_the_machines(
    tmp_path: Path, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the lock names is where its packages come from, whatever the environment has as its index."""
    with serving_index() as project, serving_index() as machine:
        project.add_wheel(tmp_path, "thing", "1.0")
        machine.add_wheel(tmp_path, "thing", "2.0")
        monkeypatch.setenv("PIP_INDEX_URL", machine.url)
        (found,) = resolver.resolve(request(tmp_path, "thing", index=project.url), host_target(), Recorder())
    assert found.version == "1.0"


# A private index


def lock_privately(resolver: Resolver, asked: Request, index: LocalIndex) -> LockedPackage:
    """Lock from an index that answers only whoever knows the password, which is then nowhere; licences too."""
    recorder = Recorder()
    locked = resolver.resolve(asked, host_target(), recorder)
    index.asked.clear()
    (found,) = with_licences(locked, asked, host_target(), recorder)
    assert index.asked, "pip did not get in"
    written = [str(each) for each in (found, recorder.lines, recorder.warnings, recorder.steps)]
    assert not any(PASSWORD in each for each in written)
    assert found.license == "MIT", recorder.warnings
    return found


@BOTH
@pytest.mark.parametrize("way", ["variables", "token", "pip", "pip extra", "same address", "uv", "uv named", "uv old"])
def test_credentials_of_the_environment(
    tmp_path: Path, home: Path, resolver: Resolver, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private index is used with variables in its address, or by what pip or uv alone are told of it."""
    user, _, password = USER.partition(":")
    with serving_index(user=USER) as index, serving_index() as empty:
        index.add_wheel(tmp_path, "thing", "1.0", metadata="License: MIT\n")
        whole = index.url_with(USER)
        variables, address = {
            "variables": ({"INDEX_USER": user, "INDEX_WORD": password}, index.url_with("${INDEX_USER}:${INDEX_WORD}")),
            "token": ({"INDEX_TOKEN": USER}, index.url_with("${INDEX_TOKEN}")),
            "pip": ({"PIP_INDEX_URL": whole}, None),
            "pip extra": ({"PIP_EXTRA_INDEX_URL": f"{empty.url} {whole}", "PIP_INDEX_URL": empty.url}, None),
            "same address": ({"PIP_INDEX_URL": f"{whole}/"}, index.url),
            "uv": ({"UV_DEFAULT_INDEX": whole}, None),
            "uv named": (
                {
                    "UV_DEFAULT_INDEX": empty.url,
                    "UV_INDEX": f"my-own={index.url}",
                    "UV_INDEX_MY_OWN_USERNAME": user,
                    "UV_INDEX_MY_OWN_PASSWORD": password,
                },
                None,
            ),
            "uv old": ({"UV_INDEX_URL": whole}, None),
        }[way]
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        lock_privately(resolver, request(tmp_path, "thing", index=address), index)


@BOTH
@pytest.mark.parametrize("place", ["NETRC", "home"])
def test_credentials_of_netrc(
    tmp_path: Path, home: Path, machine: Path, resolver: Resolver, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private index is used with what netrc has for its host."""
    path = machine / ".netrc"
    if place == "NETRC":
        path = tmp_path / "elsewhere"
        monkeypatch.setenv("NETRC", str(path))
    user, _, password = USER.partition(":")
    path.write_text(f"machine 127.0.0.1 login {user} password {password}\n")
    path.chmod(0o600)
    with serving_index(user=USER) as index:
        index.add_wheel(tmp_path, "thing", "1.0", metadata="License: MIT\n")
        lock_privately(resolver, request(tmp_path, "thing", index=index.url), index)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script")
@BOTH
@pytest.mark.parametrize("setting", ["PIP_KEYRING_PROVIDER", "UV_KEYRING_PROVIDER"])
def test_credentials_of_a_keyring(
    tmp_path: Path, home: Path, resolver: Resolver, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private index is used with what the command ``keyring`` has for its user, once pip or uv may ask it."""
    user, _, password = USER.partition(":")
    folder = tmp_path / "bin"
    folder.mkdir()
    stand_in = folder / "keyring"
    stand_in.write_text(KEYRING.format(python=sys.executable, user=user, password=password))
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv(setting, "subprocess")
    assert shutil.which("keyring") == str(stand_in)
    with serving_index(user=USER) as index:
        index.add_wheel(tmp_path, "thing", "1.0", metadata="License: MIT\n")
        lock_privately(resolver, request(tmp_path, "thing", index=index.url_with(user)), index)


@BOTH
def test_a_token_in_a_path_is_told_by_its_name(
    tmp_path: Path, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some indexes have the token elsewhere in the address: neither messages nor the lock have its value there."""
    monkeypatch.setenv("INDEX_TOKEN", PASSWORD)
    with serving_index() as index:
        wheel = index.add_wheel(tmp_path, "thing", "1.0")
        index.prefix = f"/{PASSWORD}"
        address = index.url.replace("/simple", "/${INDEX_TOKEN}/simple")
        assert "thing" in refusal(resolver, request(tmp_path, "thing==9", index=address))
        direct = f"thing @ {index.url.replace('/simple', '/${INDEX_TOKEN}/files/')}{wheel.name}"
        (found,) = resolver.resolve(request(tmp_path, direct, index=address), host_target(), Recorder())
    assert found.url and "/${INDEX_TOKEN}/files/thing" in found.url


@BOTH
def test_a_variable_that_is_not_set_is_named(tmp_path: Path, resolver: Resolver) -> None:
    """Where an index refuses because its variable is missing, the variable is what is told."""
    with serving_index(user=USER) as index:
        told = refusal(resolver, request(tmp_path, "thing", index=index.url_with("${NO_SUCH_TOKEN}")))
    assert "the environment has no NO_SUCH_TOKEN" in told


# What an index lacks


@BOTH
@pytest.mark.parametrize(
    "tag", ["HERE-HERE-win_amd64", "HERE-HERE-macosx_11_0_arm64", "cp39-cp39-manylinux2014_x86_64"]
)
def test_a_package_without_a_build_is_told_with_those_it_has(tmp_path: Path, resolver: Resolver, tag: str) -> None:
    """Of a package with wheels for other targets alone, its name, version and what there is are told."""
    with serving_index() as index:
        index.add_wheel(tmp_path, "thing", "1.5", tag.replace("HERE", f"cp{host_target().python.replace('.', '')}"))
        told = refusal(resolver, request(tmp_path, "thing", index=index.url))
    python, _, platform = tag.split("-")
    assert "thing" in told and "1.5" in told
    assert (platform if python == "HERE" else python) in told


@BOTH
def test_a_wheel_in_a_folder_without_a_build_is_told(tmp_path: Path, resolver: Resolver) -> None:
    """A folder that has a package for another platform alone is as good as an index that has."""
    house = tmp_path / "house"
    house.mkdir()
    write_wheel(house / "thing-1.5-cp311-cp311-win_amd64.whl", "thing", "1.5")
    with serving_index() as index:
        asked = request(tmp_path, "thing", index=index.url)
        asked = replace(asked, indexes=replace(asked.indexes, folders=(house,)), wheelhouse=wheels_in([house]))
        told = refusal(resolver, asked)
    assert "thing" in told and "win_amd64" in told


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_a_platform_is_told_with_those_that_a_package_has(tmp_path: Path, platform: str) -> None:
    """For an image of another architecture the explanation names its platform, and the package's."""
    has, lacks = ("aarch64", "x86_64") if platform == "linux/amd64" else ("x86_64", "aarch64")
    with serving_index() as index:
        index.add_wheel(tmp_path, "thing", "1.5", f"cp311-cp311-manylinux_2_17_{has}")
        told = refusal(UvResolver(), request(tmp_path, "thing", index=index.url), Target("3.11", platform))
    assert f"manylinux_2_17_{has}" in told and f"_{lacks}`" in told


@BOTH
def test_a_wheel_of_the_project_for_another_platform_is_refused(tmp_path: Path, resolver: Resolver) -> None:
    """A wheel that the image could not install is not locked."""
    wheel = local_wheel(write_wheel(tmp_path / "thing-1.5-cp311-cp311-win_amd64.whl", "thing", "1.5"))
    told = refusal(resolver, replace(request(tmp_path), wheels=(wheel,)))
    target = host_target()
    assert f"{wheel.path.name} has no build for Python {target.python} on {target.platform}" in told
    assert "there is cp311-cp311-win_amd64" in told


@BOTH
def test_a_conflict_is_told_with_both_sides(tmp_path: Path, resolver: Resolver) -> None:
    """Each side of a conflict is named with what it asks for, however many versions took part."""
    with serving_index() as index:
        for version in range(40):
            index.add_wheel(tmp_path, "left", f"1.{version}", metadata=f"Requires-Dist: shared<2,!=0.{version}\n")
            index.add_wheel(tmp_path, "right", f"1.{version}", metadata=f"Requires-Dist: shared>=2,!=5.{version}\n")
        index.add_wheel(tmp_path, "shared", "1.0")
        index.add_wheel(tmp_path, "shared", "2.0")
        told = " ".join(refusal(resolver, request(tmp_path, "left", "right", index=index.url)).split())
    assert "left" in told and "right" in told
    assert "shared" in told and "…" not in told
    if isinstance(resolver, PipToolsResolver):
        assert "Cannot install left and right" in told
        assert all(f"right 1.{version} depends on" in told for version in range(40))
    else:
        assert "your requirements are unsatisfiable" in told
