"""What single values may look like."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bentopack.spec.bentofile import Spec
from bentopack.spec.environment import read_dotenv
from bentopack.spec.requirement import has_password
from bentopack.spec.scalars import Written, found, plain


def _spec(**keys: Any) -> Spec:
    return Spec.model_validate({"service": "service:Iris", **keys})


INJECTIONS = [
    "a\nRUN true",
    "a; true",
    "a && true",
    "$(true)",
    "`true`",
    "a b",
    "--flag",
    "a\\",
    '"a',
    "'a",
    "",
    "a\x00",
]


@pytest.mark.parametrize("text", [text for text in INJECTIONS if text])
@pytest.mark.parametrize("key", ["distro", "base_image", "cuda_version", "python_version"])
def test_nothing_breaks_out_of_a_docker_value(key: str, text: str) -> None:
    """A value that is put into a Dockerfile has no room for a second instruction or command."""
    with pytest.raises(ValidationError):
        _spec(docker={key: text})


@pytest.mark.parametrize("text", [text for text in INJECTIONS if text != "a b"])
def test_nothing_breaks_out_of_a_package_or_name(text: str) -> None:
    """System packages, variables, labels, hosts and requirements are what they seem."""
    for keys in (
        {"docker": {"system_packages": [text]}},
        {"docker": {"env": {text: "x"}}},
        {"envs": [{"name": text}]},
        {"labels": {text: "x"}},
        {"python": {"trusted_host": [text]}},
        {"python": {"packages": [text]}},
        {"python": {"index_url": text}},
        {"python": {"torch_index": text}},
        {"name": text},
        {"version": text},
        {"models": [text]},
        {"service": text},
    ):
        with pytest.raises(ValidationError):
            _spec(**keys)


@pytest.mark.parametrize(
    "name",
    [
        *("libgl1", "g++", "libstdc++6", "mesa-libGL", "libc6:arm64", "curl=7.88.1-10+deb12u5", "python3.11-dev"),
        *("curl=7.88*", "curl/stable", "libssl3=3.0.11-1~deb12u2", "curl=~8", "curl~8.14"),
    ],
)
def test_system_packages_of_every_distribution(name: str) -> None:
    """Names as Debian, Alpine and Fedora have them are taken, with a version or an architecture too."""
    assert _spec(docker={"system_packages": [name]}).docker.system_packages == (name,)


@pytest.mark.parametrize(
    "image",
    [
        *("python", "python:3.11-slim", "localhost:5000/a/b:c", "nvcr.io/nvidia/tritonserver:22.12-py3"),
        *("ghcr.io/a/b@sha256:" + "0" * 64, "a/b_c/d.e:v1@sha256:" + "f" * 64),
    ],
)
def test_images(image: str) -> None:
    """An image can have a registry, a tag and a digest."""
    assert _spec(docker={"base_image": image}).docker.base_image == image


@pytest.mark.parametrize("image", ["a..b", "a_-b", "a___b", "a/", "A", "a:", "a@sha256:0", "-a/b", "a//b"])
def test_what_no_engine_takes_for_an_image(image: str) -> None:
    """What the engine would call an invalid reference is told in the bentofile already."""
    with pytest.raises(ValidationError):
        _spec(docker={"base_image": image})


@pytest.mark.parametrize("name", ["a..b", "a_.b", "a___b", "-a", "a-", "a" * 64])
def test_what_cannot_be_an_image_is_no_name(name: str) -> None:
    """A Bento gives its image the name; one that no image can have is refused before anything is built."""
    for keys in ({"name": name}, {"models": [name]}, {"models": [f"{name}:1"]}):
        with pytest.raises(ValidationError):
            _spec(**keys)


@pytest.mark.parametrize("name", ["a.b", "a__b", "a---b", "a_b.c-d", "A", "a" * 63])
def test_what_can_be_an_image_is_a_name(name: str) -> None:
    """All that an image may be called is taken, alone and with a version."""
    assert _spec(name=name, models=[f"{name}:1"]).name == name.lower()


@pytest.mark.parametrize("text", ["3.1", "12.10", "3.10", "yes", "1_0", "0x10", "1e3"])
def test_a_value_is_what_is_spelled(text: str) -> None:
    """No number is rounded and no word becomes a truth value on its way into a label."""
    for value in (True, 1, 1.5):
        assert _spec(labels={"a": Written(value, text)}).labels == {"a": text}


def test_numbers_from_code() -> None:
    """A Spec made in code may have numbers where YAML has them."""
    spec = _spec(python={"version": 3.12}, docker={"cuda_version": 12.4, "env": {"A": 1, "B": True}})
    assert (spec.python_version, spec.docker.cuda_version) == ("3.12", "12.4")
    assert spec.docker.env == {"A": "1", "B": "true"}


def test_latest_is_no_version() -> None:
    """``latest`` means the newest, so no Bento can have it for its version."""
    with pytest.raises(ValidationError):
        _spec(version="latest")
    assert _spec(version="latest-1").version == "latest-1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a:b@c/simple", True),
        ("https://a:${PASSWORD}@c/simple", False),
        ("https://user@c/simple", False),
        ("https://oauth2accesstoken@c/simple", False),
        ("git+https://ghp_16C7e42F292c6912E7710c8@c/x", True),
        ("https://ghp_16C7e42F292c6912E7710c8:@c/simple", True),
        ("--pre --extra-index-url https://a:b@c", True),
        ("thing @ https://c:443/a@b.zip", False),
    ],
)
def test_passwords_in_addresses(text: str, expected: bool) -> None:
    """A password is found wherever an address may stand; a variable is none."""
    assert has_password(text) is expected


@pytest.mark.parametrize("setting", [True, False, "https://${ME}@mirror.example.org/whl", "http://mirror:8080/"])
def test_where_torch_comes_from(setting: bool | str) -> None:
    """PyTorch's index is on by default; it can be turned off, or be a mirror."""
    assert _spec().python.torch_index is True
    assert _spec(python={"torch_index": setting}).python.torch_index == setting


@pytest.mark.parametrize("setting", ["cu126", "true", "file:///whl", "${MIRROR}/whl", "https://", 1, ["https://a/whl"]])
def test_what_is_no_index_of_torch(setting: object) -> None:
    """A suffix, a folder and a word that looks like an answer are refused."""
    with pytest.raises(ValidationError, match="expected true, false or the address of a mirror"):
        _spec(python={"torch_index": setting})


def test_passwords_are_refused_wherever_they_stand() -> None:
    """No password can get into the lock."""
    for python in (
        {"index_url": "https://a:b@c"},
        {"extra_index_url": ["https://a:b@c"]},
        {"torch_index": "https://a:b@c/whl"},
        {"find_links": "https://a:b@c"},
        {"packages": ["thing @ https://a:b@c/x-1.zip"]},
        {"pip_args": "--index-url https://a:b@c"},
    ):
        with pytest.raises(ValidationError, match="a password in an address would end up in the lock"):
            _spec(python=python)


def test_env_files() -> None:
    """A .env file may have comments, quotes and ``export``."""
    text = "# c\n\nA=1\nexport B = two words # c\nC='x # y'\nD=\"q\"\nE=\nF=a=b\n"
    assert read_dotenv(text) == {"A": "1", "B": "two words", "C": "x # y", "D": "q", "E": "", "F": "a=b"}
    with pytest.raises(ValueError, match="2"):
        read_dotenv("A=1\nnothing\n")


def test_envs_in_every_spelling() -> None:
    """A list of names and values, of texts, or plain names and values: one meaning."""
    expected = {"A": "1", "B": ""}
    assert _spec(envs=[{"name": "A", "value": 1}, {"name": "B"}]).environment == expected
    assert _spec(envs=["A=1", "B"]).environment == expected
    assert _spec(envs={"A": 1, "B": ""}).environment == expected


def test_what_was_found_is_short() -> None:
    """A message shows what stands in the file, and never floods the screen with it."""
    assert found(Written(True, "yes")) == "'yes'"
    assert found("x" * 100) == "'" + "x" * 57 + "...'"
    assert found({"a": 1}) == "keys and values"
    assert found([]) == "a list"
    assert found(None) == "nothing"
    assert plain({"a": [Written(1.0, "1.0")]}) == {"a": [1.0]}
