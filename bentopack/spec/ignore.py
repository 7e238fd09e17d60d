"""Patterns in gitignore's syntax: ``include``, ``exclude``, ``.bentoignore``, and what never belongs to a Bento."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bentopack.errors import Problem, SpecError

if TYPE_CHECKING:  # whoever only asks what never belongs need not wait for it
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".bentoignore"

# Belongs to a tool or a machine, not to the service. The lock and archives are made by bentopack itself: with them
# inside, a second build would differ from the first. Plain names, not patterns: every file of a project is asked.
_FOLDERS = frozenset(
    {
        *(".git", ".hg", ".svn", ".idea", ".vscode"),
        *(".venv", "venv", "node_modules", ".tox", ".nox", ".ipynb_checkpoints"),
        *("__pycache__", ".cache", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"),
    }
)
_FILES = frozenset({".git", ".DS_Store", "Thumbs.db"})
_ENDINGS = (".pyc", ".pyo", ".pyd", ".bento")
_AT_THE_TOP = "bentofile.lock"


def never_belongs(path: str) -> bool:
    """Whether a path (a folder's ends in ``/``) is left out of every Bento."""
    if path.endswith("/"):
        name = path[:-1].rpartition("/")[2]
        return name in _FOLDERS or name.endswith(".egg-info")
    return path == _AT_THE_TOP or path.endswith(_ENDINGS) or path.rpartition("/")[2] in _FILES


class BadPattern(ValueError):
    """A text that is no pattern; the argument says why."""


def compile_pattern(text: str) -> GitIgnoreSpec:
    """Make a matcher of one pattern; ``./name`` means ``name`` in the top folder.

    Raises:
        BadPattern: it is no pattern, or leads out of the project.
    """
    from pathspec import GitIgnoreSpec

    if ".." in text.replace("\\", "/").split("/"):
        raise BadPattern(f"'{text}' leads out of the project")
    try:
        return GitIgnoreSpec.from_lines([_rooted(text)])
    except ValueError:
        raise BadPattern(f"expected a pattern such as *.py or data/, found '{text}'") from None


def _rooted(text: str) -> str:
    mark, pattern = ("!", text[1:]) if text.startswith("!") else ("", text)
    if pattern.strip() in {".", "./"}:
        return f"{mark}*"
    return mark + ("/" + pattern[2:].lstrip("/") if pattern.startswith("./") else pattern)


def join(specs: Sequence[GitIgnoreSpec]) -> GitIgnoreSpec:
    """Make one matcher of several; as in a file, a later pattern wins."""
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec([pattern for spec in specs for pattern in spec.patterns])


@dataclass(frozen=True)
class Ignored:
    """What is left out: patterns, each with the folder they count from, the deepest first, since it wins."""

    levels: tuple[tuple[str, GitIgnoreSpec], ...] = ()

    def enter(self, relative: str, folder: Path) -> Ignored:
        """Return these with the ignore file of ``folder``, if it has one."""
        from pathspec import GitIgnoreSpec

        path = folder / IGNORE_FILE
        if not path.is_file():
            return self
        try:
            spec = GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8").splitlines())
        except OSError as error:
            raise SpecError(Problem(relative + IGNORE_FILE, 0, 0, f"cannot be read: {error.strerror}")) from None
        except ValueError as error:
            raise SpecError(Problem(relative + IGNORE_FILE, 0, 0, f"expected gitignore patterns: {error}")) from None
        return Ignored(((relative, spec), *self.levels))

    def excludes(self, path: str) -> bool:
        """Whether a path is left out; a folder's ends in ``/``, and leaves out all that is in it."""
        # Where a pattern takes back ("*" and then "!*.py"), a folder is not judged as a whole, but file by file.
        if path.endswith("/") and any(_takes_back(spec) for _, spec in self.levels):
            return False
        for prefix, spec in self.levels:
            decision = spec.check_file(path.removeprefix(prefix)).include
            if decision is not None:
                return decision
        return False


def _takes_back(spec: GitIgnoreSpec) -> bool:
    return any(pattern.include is False for pattern in spec.patterns)
