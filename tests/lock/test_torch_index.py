"""Which of PyTorch's indexes is chosen, from the table alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bentopack.errors import LockError
from bentopack.lock.pip_file import merge, read_requirements
from bentopack.lock.resolver import Indexes, LocalWheel, Lockfile, Request, Target, TorchIndex
from bentopack.lock.torch_index import asked_directly, suffix_of, torch_address
from bentopack.lock.torch_table import ADDRESS, FAMILY, RELEASES
from tests.doubles import write_files

TARGET = Target("3.11", "linux/amd64")


def request(*lines: str, **more: object) -> Request:
    return replace(Request(lines=lines, files=(), wheels=(), runtime=Path("runtime.whl")), **more)  # type: ignore[arg-type]


def with_file(folder: Path, text: str) -> Request:
    files = read_requirements(write_files(folder, {"r.txt": text, "c.txt": "torch==2.6.0\n"}) / "r.txt", folder)
    return request(files=files, indexes=merge(Indexes(), files))


@pytest.mark.parametrize(
    ("cuda", "line", "suffix"),
    [
        (None, "torch==2.6.0", "cpu"),
        ("12.4", "torch", "cu124"),
        ("12.4.1", "torch==2.6.0", "cu124"),
        ("11.8", "torch", "cu118"),
        ("13.0", "torch", "cu130"),
        ("12.5", "torch==2.6.0", "cu124"),  # the nearest older one
        ("12.8", "torch==2.6.0", "cu126"),
        ("12.4", "torch==2.8.0", "cu126"),  # there is none that is older
        ("12.1", "torch>=2.7,<3", "cu126"),
        ("12.9", "torch~=2.10.0", "cu128"),
        ("12.9", "torch==2.11.*", "cu129"),
        ("12.1", "torch<2.6", "cu121"),
        ("13.1", "torch", "cu130"),
        ("12.9", "torch==2.13.0", "cu129"),  # newer than the table: as its newest row
        ("12.6", "torch==2.3.1", "cu124"),  # older than the table: as its oldest row
        ("12.8", "torchvision==0.21.0", "cu126"),  # that of torch 2.6
        ("12.8", "torchaudio<2.7", "cu126"),
        ("12.8", "numpy==1.26.4", "cu128"),
        ("12.8", "Torch [opt-einsum] == 2.6.0 ; python_version >= '3.10'", "cu126"),
    ],
)
def test_the_index_fits_the_cuda_and_the_version(cuda: str | None, line: str, suffix: str) -> None:
    """The very CUDA if one of the allowed versions has it, else the nearest older, else the nearest newer."""
    assert suffix_of(TorchIndex(ADDRESS, cuda), request(line), TARGET) == suffix


def test_lines_for_other_images_are_no_limits() -> None:
    """Of several lines with markers those of the image's Python and platform count."""
    lines = ("torch==2.5.0 ; python_version < '3.11'", "torch==2.8.0 ; python_version >= '3.11'")
    assert suffix_of(TorchIndex(ADDRESS, "12.4"), request(*lines), TARGET) == "cu126"


@pytest.mark.parametrize(
    ("cuda", "line", "message"),
    [
        (
            "11.8",
            "torch>=2.10,<2.11",
            "torch<2.11,>=2.10 has no build for CUDA 11.8 .*there is torch 2.10 for CUDA 12.6",
        ),
        ("13.0", "torch==2.6.0", "torch==2.6.0 has no build for CUDA 13.0 .*2.6 for CUDA 11.8, 12.4, 12.6"),
        ("14.0", "torch", "torch has no build for CUDA 14.0"),
        ("default", "torch", "docker.cuda_version is 'default'"),
    ],
)
def test_a_cuda_without_builds_is_told(cuda: str, line: str, message: str) -> None:
    """Where no build fits, the error says which there are, and names both settings."""
    with pytest.raises(LockError, match=message) as error:
        suffix_of(TorchIndex(ADDRESS, cuda), request(line), TARGET)
    assert "python.torch_index: false" in str(error.value.hint)


def test_constraints_limit_the_version_too(tmp_path: Path) -> None:
    """A requirements file's version, and that of a file of constraints, choose the index as a line would."""
    asked = with_file(tmp_path, "-c c.txt\ntorch\n")
    assert suffix_of(TorchIndex(ADDRESS, "12.8"), asked, TARGET) == "cu126"
    assert asked_directly(asked, TARGET) == {"torch": "torch"}


def test_only_what_is_asked_for_counts(tmp_path: Path) -> None:
    """A constraint asks for nothing, and a marker that the image does not fit asks for nothing either."""
    assert not asked_directly(with_file(tmp_path, "-c c.txt\niniconfig\n"), TARGET)
    assert not asked_directly(
        request("torch ; sys_platform == 'win32'", "torch-geometric", "pytorch-lightning"), TARGET
    )
    patch = "torch ; python_full_version < '3.11.4'"
    assert asked_directly(request(patch), TARGET) == {patch.replace("'", '"'): "torch"}


@pytest.mark.parametrize(
    "decided",
    [
        request("torch==2.6.0+cu121"),
        request("torchvision @ https://example.org/torchvision-0.21.0-py3-none-any.whl"),
        request("https://example.org/torch-2.6.0%2Bcpu-cp311-cp311-linux_x86_64.whl"),
        request("torch", indexes=Indexes(index_url="https://download.pytorch.org/whl/cu118")),
        request("torch", indexes=Indexes(extra_index_url=("https://me@download.pytorch.org/whl/nightly/cpu/",))),
        request("torch", indexes=Indexes(find_links=("http://download.pytorch.org/whl/torch_stable.html",))),
        request("torch", indexes=Indexes(pip_args=("--extra-index-url=https://download.pytorch.org/whl/cpu",))),
        request("torch", indexes=Indexes(no_index=True)),
        request("torch", indexes=Indexes(pip_args=("--no-index",))),
        request("torch", lockfile=Lockfile("uv.lock", Path("uv.lock"), "0")),
        request("torch", wheels=(LocalWheel("torch", "2.6.0", Path("t.whl"), "0"),)),
        request("torch", wheelhouse=(LocalWheel("torchaudio", "2.6.0", Path("t.whl"), "0"),)),
    ],
)
def test_who_said_more_than_a_version_is_left_alone(decided: Request) -> None:
    """A build, a file, an index of PyTorch's or no index at all: then nothing is changed about it."""
    assert torch_address(True, decided) is None


@pytest.mark.parametrize(
    "text",
    ["--extra-index-url https://download.pytorch.org/whl/cpu\ntorch\n", f"torch==2.6.0 --hash=sha256:{'0' * 64}\n"],
)
def test_a_requirements_file_decides_too(tmp_path: Path, text: str) -> None:
    """Indexes of a requirements file count as the bentofile's, and a hash names one file."""
    assert torch_address(True, with_file(tmp_path, text)) is None


@pytest.mark.parametrize(
    "indexes",
    [
        Indexes(),
        Indexes(
            index_url="https://packages.example.org/simple", extra_index_url=("https://${TOKEN}@more.example.org",)
        ),
        Indexes(find_links=("https://data.pyg.org/whl/torch-2.4.0+cpu.html",)),
        Indexes(extra_index_url=("https://download.pytorch.org/whl2",)),
    ],
)
def test_other_indexes_decide_nothing(indexes: Indexes) -> None:
    """It is on by default; a mirror takes the place of the address, and false turns it off."""
    asked = request("torch>=2.6", "numpy==1.26.4", indexes=indexes)
    assert torch_address(True, asked) == "https://download.pytorch.org/whl"
    assert torch_address("https://mirror.example.org/whl/", asked) == "https://mirror.example.org/whl"
    assert torch_address(False, asked) is None


def test_an_index_below_the_mirror_decides() -> None:
    """Whoever names the mirror's own index as an extra one is left alone too."""
    asked = request("torch", indexes=Indexes(extra_index_url=("https://mirror.example.org/whl/cu118",)))
    assert torch_address("https://mirror.example.org/whl", asked) is None


def test_every_row_tells_its_source() -> None:
    """The table is in order, without a gap, and says of each row where it is from."""
    minors = [int(release.torch.removeprefix("2.")) for release in RELEASES]
    assert minors == list(range(minors[0], minors[0] + len(minors)))
    for release in RELEASES:
        assert release.source.startswith("https://pytorch.org/")
        assert release.torch in release.source
        assert set(release.versions) == set(FAMILY)
        assert list(release.cuda) == sorted(release.cuda, key=lambda each: tuple(map(int, each.split("."))))
