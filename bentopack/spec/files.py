"""Which files of a project belong to its Bento."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from bentopack.errors import Problem, SpecError
from bentopack.spec.bentofile import Spec
from bentopack.spec.document import NOWHERE, Places
from bentopack.spec.ignore import BadPattern, Ignored, compile_pattern, join
from bentopack.spec.sensitive import looks_secret
from bentopack.spec.walk import Walk


@dataclass(frozen=True)
class CollectedFiles:
    """Files by their POSIX path in the project, sorted by it."""

    files: tuple[tuple[str, Path], ...]
    warnings: tuple[Problem, ...] = ()
    """What a strict build takes as errors: files that look like secrets, and what was left out."""


def collect_files(project: Path, spec: Spec, places: Places = NOWHERE) -> CollectedFiles:
    """Find the files that ``include``, ``exclude`` and the ``.bentoignore`` files choose.

    Version control, virtual environments, caches, the lock and archives are never among them, whatever is included.

    Raises:
        SpecError: a pattern includes nothing, or a file cannot be taken: it leads out of the project or is unreadable.
    """
    include = _patterns("include", spec.include, places)
    exclude = _patterns("exclude", spec.exclude, places)
    walk = Walk(
        project,
        excluded=Ignored((("", join(exclude)),)).excludes,
        included=join(include).match_file if include else lambda path: True,
    )
    files = sorted(walk.files())
    wrong = [*walk.wrong, *_unmatched(spec.include, include, files, places)]
    if not files and not wrong:
        wrong.append(places.problem((), "no file of the project belongs to the Bento"))
    if wrong:
        raise SpecError(wrong)
    secrets = [
        Problem(path, 0, 0, "looks like a secret and would be in the Bento; exclude it")
        for path, file in files
        if looks_secret(path) or (file.is_symlink() and looks_secret(file.resolve().name))
    ]
    return CollectedFiles(tuple(files), tuple(sorted([*walk.odd, *secrets])))


def _patterns(key: str, texts: tuple[str, ...], places: Places) -> list[GitIgnoreSpec]:
    specs: list[GitIgnoreSpec] = []
    wrong: list[Problem] = []
    for index, text in enumerate(texts):
        try:
            specs.append(compile_pattern(text))
        except BadPattern as error:
            wrong.append(places.problem((key, index), f"{key}[{index}]: {error}"))
    if wrong:
        raise SpecError(wrong)
    return specs


def _unmatched(
    texts: tuple[str, ...], specs: list[GitIgnoreSpec], files: list[tuple[str, Path]], places: Places
) -> list[Problem]:
    """Return a problem for each included pattern that no file fits, since it is most likely misspelled."""
    return [
        places.problem(("include", index), f"include[{index}]: '{texts[index]}' matches no file")
        for index, spec in enumerate(specs)
        if any(pattern.include for pattern in spec.patterns) and not any(spec.match_file(path) for path, _ in files)
    ]
