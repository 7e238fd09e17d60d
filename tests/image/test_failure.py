"""What is told of a failed build: the step, and the lines that say why."""

from __future__ import annotations

import pytest

from bentopack.image.failure import build_failed, find_failure

BUILDKIT = """\
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#5 [stage-2 1/8] RUN apt-get update
#10 [builder 5/7] RUN --mount=type=cache,target=/root/.cache/pip     pip install
#10 sha256:c11991ab29bf02a3244b5e9e4459a8b110ba33bd27cbe3addb83c8ad71c78f9c
#10 0.933 Collecting idna==3.10
#5 0.940 Get:1 http://deb.example.org
#10 1.036 \x1b[91mERROR: THESE PACKAGES DO NOT MATCH THE HASHES\x1b[0m
#10 1.036
#10 ERROR: executor failed running [/bin/sh -c pip install]: exit code: 1
#5 CANCELED
------
 > [builder 5/7] RUN --mount=type=cache,target=/root/.cache/pip     pip install:
------
executor failed running [/bin/sh -c pip install]: exit code: 1""".splitlines()

PULL = """\
#3 [internal] load metadata for docker.io/library/nothing:1
#3 ERROR: pull access denied, repository does not exist or may require authorization
------
 > [internal] load metadata for docker.io/library/nothing:1:
------
failed to solve""".splitlines()

CLASSIC = """\
Step 1/29 : FROM mine:1 AS base
 ---> 76a76ad93e91
Step 9/29 : RUN pip install
 ---> Running in c71d514e534d
Collecting idna==3.10
\x1b[91mERROR: THESE PACKAGES DO NOT MATCH THE HASHES

\x1b[0mThe command '/bin/sh -c pip install' returned a non-zero code: 1""".splitlines()


def test_buildkit() -> None:
    """Of steps that ran side by side the failing one is told, with its own lines and none of the builder's chatter."""
    failure = find_failure(BUILDKIT)
    assert failure.step == "[builder 5/7] RUN --mount=type=cache,target=/root/.cache/pip pip install"
    assert failure.lines == ("Collecting idna==3.10", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES")


def test_base_that_cannot_be_pulled() -> None:
    """Where the step printed nothing, the builder's own words are the reason."""
    failure = find_failure(PULL)
    assert failure.step == "[internal] load metadata for docker.io/library/nothing:1"
    assert failure.lines == ("ERROR: pull access denied, repository does not exist or may require authorization",)


def test_classic() -> None:
    """The classic builder's last step is the one that failed."""
    failure = find_failure(CLASSIC)
    assert failure.step == "RUN pip install"
    assert failure.lines == ("Collecting idna==3.10", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES")


def test_long_output_is_cut() -> None:
    """Only the last lines are shown; the reason stands at the end."""
    log = ["Step 1/1 : RUN make", *(f"line {number}" for number in range(100))]
    assert find_failure(log).lines == tuple(f"line {number}" for number in range(80, 100))


def test_no_step_at_all() -> None:
    """A client that fails before its first step (bad option, lost engine) is quoted."""
    assert find_failure(["unknown flag: --x"]).lines == ("unknown flag: --x",)


BUILDAH = """\
[1/3] STEP 1/3: FROM mine:1 AS base
[1/3] STEP 2/3: RUN apt-get update
Get:1 http://deb.example.org
[3/3] STEP 7/20: RUN pip install
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES
Error: error building at STEP "RUN pip install": error while running runtime: exit status 1""".splitlines()


def test_buildah() -> None:
    """podman's and buildah's steps are known by their own spelling."""
    failure = find_failure(BUILDAH)
    assert failure.step == "RUN pip install"
    assert failure.lines[0] == "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"


@pytest.mark.parametrize(
    ("log", "hint"),
    [
        (PULL, "nothing:1 is pulled from its registry"),
        (["[1/3] STEP 1/3: FROM nothing:1 AS base", "Error: no such image"], "nothing:1 is pulled from its registry"),
        (["Step 2/9 : RUN apt-get install", "E: Unable to locate package libgl"], "has no 'libgl' in this release"),
        (["Step 2/9 : RUN apk add", "  libgl (no such package):"], "has no 'libgl' in this release"),
        (CLASSIC, "`--verbose` shows every line"),
    ],
)
def test_what_to_do_next(log: list[str], hint: str) -> None:
    """The image that cannot be had and the system package that is not there are named."""
    assert hint in str(build_failed(log).hint)
