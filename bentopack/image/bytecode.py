"""Compiles Python files to bytecode: a program for the Python that it is for, with nothing but that one's own library.

    PYTHONHASHSEED=0 python -s -S bytecode.py LIST

The seed is that of sets, which Python 3.10 writes in the order of their hashes; so no option may say that the
environment counts for nothing.

The file LIST has, for each file, a source, the path that it will have, and where the bytecode goes. Each is ended by a
NUL, as names may hold any other character. What cannot be compiled is left out: packages carry files for other Pythons.

The bytecode tells the source by its hash and is never checked against it, so it depends on no clock. It does depend on
what its compiler has seen before (which texts are shared), so whoever wants the same bytes gives each process the same
list.
"""

import sys

if __name__ == "__main__":
    del sys.path[0]  # this file's folder: what lies beside it is no part of the library

import importlib.util
import warnings
from importlib import _bootstrap_external
from pathlib import Path


def main(listed: str) -> None:
    """Compile what a list names."""
    warnings.simplefilter("ignore")
    words = Path(listed).read_bytes().decode("utf-8").split("\0")
    for source, path, output in zip(words[::3], words[1::3], words[2::3]):  # noqa: B905  # the last is empty
        content = Path(source).read_bytes()
        try:
            code = compile(content, path, "exec", dont_inherit=True)
            # What py_compile calls.
            data = _bootstrap_external._code_to_hash_pyc(code, importlib.util.source_hash(content), False)  # type: ignore[attr-defined]
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last is of a parser whose stack is full
            continue
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1])
