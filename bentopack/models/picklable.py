"""Any object that pickle can write.

Loading a pickle runs code that its writer chose: load only what you or your team saved.
"""

from __future__ import annotations

import pickle
import pickletools
from pathlib import Path
from typing import Any

from bentopack.errors import BentopackError

PACKAGES: tuple[str, ...] = ()
_FILE = "model.pkl"
_PROTOCOL = 5


def owns(obj: object) -> bool:
    return True


def save(obj: Any, folder: Path) -> None:
    """Write ``model.pkl``.

    Raises:
        BentopackError: the object cannot be pickled, or could not be loaded outside the script that defines it.
    """
    refuse_main(obj)
    with (folder / _FILE).open("wb") as file:
        pickle.dump(obj, file, protocol=_PROTOCOL)


def load(folder: Path) -> Any:
    with (folder / _FILE).open("rb") as file:
        return pickle.load(file)  # noqa: S301


def refuse_main(obj: Any) -> None:
    """Refuse what refers to ``__main__``: it is another module when the model is served.

    Raises:
        BentopackError: names what it refers to, or says why it cannot be pickled at all.
    """
    try:
        # The contents of arrays stay outside, so that a large model is not copied for a look at its names.
        data = pickle.dumps(obj, protocol=_PROTOCOL, buffer_callback=lambda _: None)
    except Exception as error:
        raise BentopackError(f"a {type(obj).__name__} cannot be pickled: {error}") from error
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name == "STACK_GLOBAL" and len(strings) > 1 and strings[-2] == "__main__":
            raise BentopackError(
                f"the object refers to '{strings[-1]}', which is defined in the script that runs",
                hint=f"move '{strings[-1]}' into a module that the training script and the service both import",
            )
        if isinstance(argument, str) and "UNICODE" in opcode.name:
            strings.append(argument)
