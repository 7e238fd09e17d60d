"""Compiles Python files to bytecode: a program for the Python that it is for, with nothing but that one's own library.

    python -I -S bytecode.py LIST

Each line of the file LIST has a source, the path that it will have, and where the bytecode goes, parted by tabs. What
cannot be compiled is left out: packages carry files for other Pythons.

The bytecode tells the source by its hash and is never checked against it, so it depends on no clock. It does depend on
what its compiler has seen before (which texts are shared), so whoever wants the same bytes gives each process the same
list.
"""

import importlib.util
import sys
import warnings
from importlib import _bootstrap_external
from pathlib import Path


def main(listed: str) -> None:
    """Compile what a list names."""
    warnings.simplefilter("ignore")
    for line in Path(listed).read_text(encoding="utf-8").splitlines():
        source, path, output = line.split("\t")
        content = Path(source).read_bytes()
        try:
            code = compile(content, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError):
            continue
        # What py_compile calls.
        data = _bootstrap_external._code_to_hash_pyc(code, importlib.util.source_hash(content), False)  # type: ignore[attr-defined]
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1])
