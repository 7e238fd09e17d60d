"""Saving, finding and deleting models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import bentopack
from bentopack import models
from bentopack.errors import BentopackError, IntegrityError, NotFound
from bentopack.tag import InvalidTag


def trained() -> LogisticRegression:
    return LogisticRegression().fit(np.array([[0.0], [1.0]]), np.array([0, 1]))


def test_an_estimator_comes_back_as_it_was_saved(home: Path) -> None:
    """A scikit-learn estimator predicts the same after it was saved and loaded, with its labels and metadata kept."""
    saved = bentopack.save_model("tiny", trained(), labels={"stage": "dev"}, metadata={"accuracy": 1.0})
    found = models.get("tiny:latest")
    assert found.tag == saved.tag
    assert found.description.framework == "sklearn"
    assert found.description.labels == {"stage": "dev"}
    assert found.description.metadata == {"accuracy": 1.0}
    assert "scikit-learn" in found.description.packages
    assert found.load().predict([[0.9]]).tolist() == [1]


def test_any_picklable_object_is_a_model(home: Path) -> None:
    """What pickle can write can be saved, and is equal when loaded."""
    bentopack.save_model("table", {"a": [1, 2], "b": None})
    assert models.get("table").load() == {"a": [1, 2], "b": None}


def test_the_same_artifact_is_stored_once(home: Path) -> None:
    """A model's version is its content's: saving it again gives the same tag, and other content another one."""
    first, again = bentopack.save_model("m", [1]), bentopack.save_model("m", [1])
    other = bentopack.save_model("m", [2])
    assert first.tag == again.tag != other.tag
    assert len(models.list("m")) == 2


def test_latest_is_what_was_saved_last(home: Path) -> None:
    """``latest`` is the model saved last, also when its content was stored before."""
    first = bentopack.save_model("m", [1])
    second = bentopack.save_model("m", [2])
    assert models.get("m:latest").tag == second.tag
    bentopack.save_model("m", [1])
    assert models.get("m:latest").tag == first.tag


def test_a_missing_model_is_told_with_the_near_ones(home: Path) -> None:
    """A tag that is not in the store is an error that names the tags that look like it."""
    near = bentopack.save_model("iris", [1])
    with pytest.raises(NotFound, match="model 'irsi:latest' is not in the store") as error:
        models.get("irsi")
    assert str(near.tag) in str(error.value.hint)


def test_a_deleted_model_is_gone(home: Path) -> None:
    """Deleting removes the model and nothing else; a second time is an error."""
    kept, gone = bentopack.save_model("kept", [1]), bentopack.save_model("gone", [1])
    assert models.delete("gone") == gone.tag
    assert [model.tag for model in models.list()] == [kept.tag]
    with pytest.raises(NotFound):
        models.delete("gone")


@pytest.mark.parametrize("name", ["", "Iris", "a/b", "..", "iris:1", "-iris", "a" * 64])
def test_a_bad_name_is_refused(home: Path, name: str) -> None:
    """A name that no store, path and image could carry is refused before anything is written."""
    with pytest.raises(InvalidTag):
        bentopack.save_model(name, [1])
    assert not home.exists()


def test_what_another_process_could_not_load_is_refused(home: Path, tmp_path: Path) -> None:
    """An object of a class that the training script itself defines is refused when saved, not when served."""
    script = tmp_path / "train.py"
    script.write_text("import bentopack\nclass Mine: pass\nbentopack.save_model('mine', Mine())\n")
    environment = {**os.environ, "BENTOPACK_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "refers to 'Mine', which is defined in the script that runs" in done.stderr
    assert models.list() == []


def test_what_pickle_cannot_write_is_refused(home: Path) -> None:
    """An object that cannot be pickled is one clear error, and leaves nothing in the store."""
    with pytest.raises(BentopackError, match="a function cannot be pickled"):
        bentopack.save_model("f", lambda: None)
    assert models.list() == []


def test_a_path_is_no_model(home: Path) -> None:
    """Who means what lies there is told so; what would be stored is the path."""
    with pytest.raises(BentopackError, match=r"'weights\.bin' is a path, and no model"):
        bentopack.save_model("weights", Path("weights.bin"))


def test_a_damaged_description_is_told(home: Path) -> None:
    """A model whose description was damaged is named, with what to do."""
    saved = bentopack.save_model("m", [1])
    (saved.path / "model.yaml").write_text("format: [")
    with pytest.raises(IntegrityError, match="does not hold a model"):
        models.get("m")


def test_a_name_with_a_path_cannot_leave_the_store(home: Path) -> None:
    """No tag reads or deletes a folder outside the store."""
    for tag in ("../x", "m:../../x", "m:..", "/etc"):
        with pytest.raises(InvalidTag):
            models.delete(tag)
