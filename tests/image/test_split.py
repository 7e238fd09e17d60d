"""How many layers an image's content becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentopack.image import split
from bentopack.image.plan import ImagePlan, Layer
from bentopack.image.planner import plan_image
from bentopack.image.split import spare_layers, split_models
from bentopack.image.validate import PlanError
from bentopack.oci.tar import Entry, complete

from .conftest import Make, make_manifest


def files(sizes: Sequence[int]) -> list[Entry]:
    """A file of each size, in this order."""
    return [Entry(f"m/{number:03}", source=bytes(size)) for number, size in enumerate(sizes)]


def shares_of(sizes: Sequence[int], spare: int = 100) -> list[list[int]]:
    """The sizes of the files in each share of a model; nothing where it stays whole."""
    layer = Layer("model", "model m:1", size=sum(sizes))
    plan = replace(plan_image(make_manifest(), ""), layers=(layer,))
    found = split_models(plan, lambda _: files(sizes), spare).get(layer, [])
    return [[entry.size for entry in share if not entry.is_folder] for share in found]


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share is of ten bytes."""
    monkeypatch.setattr(split, "_SHARE", 10)


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [
        ([4, 4, 4, 9, 1], [[4, 4], [4], [9, 1]]),
        ([5, 5], []),
        ([30], []),
        ([30, 1], [[30], [1]]),
        ([10, 0, 0, 10], [[10, 0, 0], [10]]),
    ],
)
def test_a_model_is_cut_between_its_files(sizes: list[int], shares: list[list[int]]) -> None:
    """Each share is as large as it may be; one file stays one layer."""
    assert shares_of(sizes) == shares


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_shares_are_few_and_hold_everything(sizes: list[int]) -> None:
    """However large the model is."""
    shares = split._shares(files(sizes), max(10, -(-sum(sizes) // 8)))
    assert [entry for share in shares for entry in share] == complete(files(sizes))
    assert len(shares) <= max(16, 2 * sum(sizes) // 10 + 1)
    assert len(shares_of(sizes)) <= 16


def test_without_room_a_model_stays_whole() -> None:
    """Layers that an image cannot have are not made."""
    assert len(shares_of([9, 9, 9], spare=2)) == 3
    assert shares_of([9, 9, 9], spare=1) == []


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
