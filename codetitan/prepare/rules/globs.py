"""Many globs asked of a path at once, with the meaning that they have in a .gitignore."""

import re
from collections.abc import Iterable
from functools import lru_cache


class Globs:
    """Globs as one expression: a path is matched in some microseconds, however many there are.

    `vendor/` is a folder of that name anywhere, with all below it; `*.min.js` a file anywhere; `/debian/` a folder at
    the top; `docs/**/api/` as in a .gitignore. "!" has no meaning: what is kept has a list of its own.
    """

    def __init__(self, globs: Iterable[str]) -> None:
        """Raises ValueError for what is no glob."""
        self._each = {glob: re.compile(_expression(glob)) for glob in globs}
        # Most begin with "in any folder", which is walked through once for all of them.
        anywhere = [one.pattern.removeprefix(_ANYWHERE) for one in self._each.values() if _is_anywhere(one.pattern)]
        rooted = [one.pattern for one in self._each.values() if not _is_anywhere(one.pattern)]
        if anywhere:
            rooted.append(f"{_ANYWHERE}(?:{'|'.join(anywhere)})")
        self._any = re.compile("|".join(rooted)) if rooted else None

    def first(self, path: str) -> str | None:
        """Returns the first of the globs that a path matches; None where there is none."""
        if self._any is None or self._any.match(path) is None:
            return None
        return next(glob for glob, expression in self._each.items() if expression.match(path))


_ANYWHERE = "^(?:.+/)?"


def _is_anywhere(expression: str) -> bool:
    return expression.startswith(_ANYWHERE)


def _expression(glob: str) -> str:
    from pathspec.patterns.gitignore.base import GitIgnorePatternError
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    try:
        expression, include = GitIgnoreSpecPattern.pattern_to_regex(glob)
    except GitIgnorePatternError:
        expression, include = None, None
    if expression is None or not include:
        raise ValueError(f'"{glob}", which is no glob, such as "vendor/" or "*.min.js"')
    return str(expression).replace("(?P<ps_d>", "(?:")


@lru_cache(maxsize=64)
def globs(patterns: tuple[str, ...]) -> Globs:
    """Returns `Globs(patterns)`, made once.

    Raises:
        ValueError: one of them is no glob.
    """
    return Globs(patterns)
