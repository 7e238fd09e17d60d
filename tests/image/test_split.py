"""How many layers an image's content becomes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentopack.image import split
from bentopack.image.plan import ImagePlan, Layer
from bentopack.image.planner import plan_image
from bentopack.image.split import spare_layers, split_models
from bentopack.image.validate import PlanError
from bentopack.oci.tar import Entry, complete

from .conftest import Make


def files(sizes: Sequence[int]) -> list[Entry]:
    """A file of each size, in this order."""
    return [Entry(f"m/{number:03}", source=bytes(size)) for number, size in enumerate(sizes)]


def shares_of(sizes: Sequence[int], spare: int = 100) -> list[list[int]]:
    """The sizes of the files in each share of a model; nothing where it stays whole."""
    layer = Layer("model", "model m:1", size=sum(sizes))
    found = split_models([layer], lambda _: files(sizes), spare).get(layer, [])
    return [[entry.size for entry in share if not entry.is_folder] for share in found]


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share is of 160 bytes, and of more than ten."""
    monkeypatch.setattr(split, "_SHARE", 160)


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [
        ([64, 64, 64, 144, 16], [[64, 64], [64], [144, 16]]),
        ([80, 80], []),
        ([480], []),
        ([5, 480, 5], []),
        ([480, 16], [[480], [16]]),
        ([480, 5, 480], [[480], [5, 480]]),
        ([160, 0, 0, 160], [[160, 0, 0], [160]]),
    ],
)
def test_a_model_is_cut_between_its_files(sizes: list[int], shares: list[list[int]]) -> None:
    """Each share is as large as it may be; one large file stays one layer, whatever small ones are beside it."""
    assert shares_of(sizes) == shares


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60))
def test_shares_are_few_and_hold_everything(sizes: list[int]) -> None:
    """However large the model is."""
    shares = split._shares(files(sizes), 160)
    assert [entry for share in shares for entry in share] == complete(files(sizes))
    assert len(shares) == 1 or all(sum(entry.size for entry in share) > 10 for share in shares)
    assert len(shares_of(sizes)) <= 16


def test_without_room_a_model_stays_whole() -> None:
    """Layers that an image cannot have are not made."""
    assert len(shares_of([150, 150, 150], spare=2)) == 3
    assert shares_of([150, 150, 150], spare=1) == []


@pytest.fixture
def plan(manifest: Make) -> ImagePlan:
    """A plan of five layers."""
    return plan_image(manifest(), "")


def test_the_layers_that_are_left(plan: ImagePlan) -> None:
    """All 127 may be had, and no more."""
    assert spare_layers(plan, 100) == 22
    assert spare_layers(plan, 122) == 0
    with pytest.raises(PlanError, match="would have 128 layers, 127 are possible: 123 are the base's, 1 are models"):
        spare_layers(plan, 123)
