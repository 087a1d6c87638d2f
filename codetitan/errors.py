"""The one exception for what a person got wrong: shown as one line, without a traceback."""

import difflib
import re
import sys
from collections.abc import Iterable

EXIT_USER_ERROR = 2

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _escaped(character: str) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\u{ord(character):04x}")


def printable(text: str) -> str:
    """Returns a text in one line that does nothing to a terminal: control characters are shown as TOML writes them."""
    return _CONTROL.sub(lambda found: _escaped(found[0]), text)


class ConfigError(ValueError):
    """A wrong TOML, command line, corpus or machine; the text names key, value, rule and a fix.

    Entry points print it as `codetitan: error: TEXT` on stderr and exit with 2 (`EXIT_USER_ERROR`). It is one line
    whatever the value is: control characters are shown as TOML writes them.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns `; did you mean "x"?` for the known name closest to `word`, letter case aside, or an empty string."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return f'; did you mean "{by_lower[close[0]]}"?' if close else ""


def fail(error: ConfigError) -> int:
    """Prints the one line that a person gets, and returns the exit code."""
    print(f"codetitan: error: {error}", file=sys.stderr, flush=True)
    return EXIT_USER_ERROR


def one_line(error: BaseException) -> str:
    """Returns an error and what caused it in one line of at most 300 characters."""
    cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
    text = " ".join(f"{error}{cause}".split()) or type(error).__name__
    return text.rstrip(".") if len(text) <= 300 else text[:299] + "…"
