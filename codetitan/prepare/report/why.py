"""Why a file is not in the corpus, in one line: `codetitan prepare why`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codetitan.errors import ConfigError, printable
from codetitan.prepare.report.output import Output, batches, name_of, open_output, row_at
from codetitan.prepare.secrets.replace import PLACEHOLDERS

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("repo", "path", "rule", "reason", "value", "threshold", "twin", "similarity")
"""Of dropped/*.parquet: what `sentence` reads."""

_OF_CORPUS = ("repo", "path", "language", "licence", "licence_from", "content")
_MOST = 20
_LENGTHS = 4  # by which the last names of two files differ at most that are taken for a slip
_MOST_NAMES = 5_000  # that are held against what was written


def reason(row: Mapping[str, Any]) -> str:
    """Returns the rule that dropped a row of dropped/*.parquet, and what it found."""
    text = f"{row['rule']}: {row['reason']}"
    if row["twin"] is not None:
        similar = "" if row["similarity"] is None else f", Jaccard similarity {row['similarity']:.2f}"
        text += f": {row['twin']} is kept{similar}"
    elif row["value"] is not None:
        text += f" ({'; '.join(part for part in (row['value'], bound(row)) if part)})"
    return printable(text)


def bound(row: Mapping[str, Any], what: str = "the threshold is") -> str:
    """Returns what the value of a dropped row was held against: a number is a threshold, a glob of paths a pattern, and
    words such as `permissive = bronze` speak for themselves."""
    threshold = row.get("threshold")
    if threshold is None:
        return ""
    if row["rule"] == "paths" and not is_number(threshold):
        return f"pattern {threshold}"
    return f"{what} {threshold}" if is_number(threshold) else str(threshold)


def is_number(text: str) -> bool:
    """Whether a value of dropped/*.parquet is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def sentence(row: Mapping[str, Any]) -> str:
    """Returns why a row of dropped/*.parquet was dropped."""
    return f"{name_of(row)}: dropped by {reason(row)}"


def kept(row: Mapping[str, Any]) -> str:
    """Returns what is known of a row of the corpus: its language, its licence and who says so, what was redacted."""
    licence = row["licence"] or "no licence"
    text = f"in the corpus ({row['language']}, {licence}"
    text += f"; says {row['licence_from']})" if row["licence_from"] else ")"
    found = [(row["content"].count(word), word) for word in PLACEHOLDERS.values()]
    if redacted := ", ".join(f"{n} {word}" for n, word in found if n):
        text += f"; its text has {redacted}"
    return f"{name_of(row)}: {printable(text)}"


def why(output: Path, path: str) -> Iterator[str]:
    """Yields a sentence for each file of that name: why it was dropped, or that it is in the corpus.

    Names alone are read of all files, and whole rows of those that are meant.

    Args:
        output: of `codetitan prepare`.
        path: repository/path, a path, or the end of one. Where that is a file's whole name, others that end so are
            counted.

    Raises:
        ConfigError: there is no such file, or no such folder.
    """
    opened = open_output(output)
    path = path.removeprefix("./").strip("/") or path
    found = list(_matches(opened, path)) or list(_folders(opened, path))
    if not found:
        raise ConfigError(f"{path}: no such file was read{_hint(opened, path)}")
    whole = [place for place, name in found if name == path]
    others = len(found) - len(whole) if whole else 0
    places = whole or [place for place, _ in found]
    rows = [(place[0], _row(opened, place)) for place in places[:_MOST]]
    names = Counter(name_of(row) for _, row in rows)
    for dropped, row in rows:
        line = sentence(row) if dropped else kept(row)
        if names[name_of(row)] > 1:  # two sources, or "a/b" with "c" and "a" with "b/c"
            line += printable(f" [source {row['source']}, repository {row['repo'] or 'not known'}, path {row['path']}]")
        yield line
    if len(places) > _MOST:
        yield f"and {len(places) - _MOST:,} more"
    if others:
        yield f"and {others:,} whose name ends in /{printable(path)}"


_Place = tuple[bool, Path, int]  # dropped?, table, row


def _row(opened: Output, place: _Place) -> dict[str, Any]:
    dropped, file, number = place
    return row_at(file, number, (*(COLUMNS if dropped else _OF_CORPUS), "source"))


def _names(opened: Output) -> Iterator[tuple[bool, Path, int, "pa.Array", "pa.Array"]]:
    """Yields dropped?, table, number of the first row, repositories and paths."""
    for dropped, files in ((True, opened.dropped), (False, opened.corpus)):
        for file in files:
            at = 0
            for batch in batches(file, ["repo", "path"]):
                yield dropped, file, at, *batch.columns
                at += len(batch)


def _matches(opened: Output, path: str) -> Iterator[tuple[_Place, str]]:
    """Yields the files whose name is `path` or ends in it, and their names."""
    import pyarrow.compute as pc

    last = path.rpartition("/")[2]
    for dropped, file, at, repos, paths in _names(opened):
        # Python looks at those alone whose path ends as it must.
        for i in pc.indices_nonzero(pc.ends_with(paths, last)).to_pylist():
            repo, own = repos[i].as_py(), paths[i].as_py()
            name = f"{repo}/{own}" if repo else own
            if f"/{name}".endswith(f"/{path}"):
                yield (dropped, file, at + i), name


def _folders(opened: Output, path: str) -> Iterator[tuple[_Place, str]]:
    """Yields the folders above a path that were not walked: what is in them has no row of its own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = path.split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts))]
    names = pa.array([name + end for name in above for end in ("", "/")], pa.string())
    for file in opened.dropped if above else ():
        at = 0
        for batch in batches(file, ["path", "rule"]):
            paths, rules = batch.columns
            for i in pc.indices_nonzero(pc.and_(pc.is_in(paths, names), pc.equal(rules, "read"))).to_pylist():
                yield (True, file, at + i), paths[i].as_py()
            at += len(batch)


def _hint(opened: Output, path: str) -> str:
    """Returns `; did you mean "x"?`: of files with the same last name, or with the most similar one, the closest."""
    import pyarrow.compute as pc

    last = path.rpartition("/")[2]
    lasts: set[str] = set()
    for *_, paths in _names(opened):
        short = pc.replace_substring_regex(paths, ".*/", "")
        length = pc.utf8_length(short)
        near = pc.and_(pc.greater_equal(length, len(last) - _LENGTHS), pc.less_equal(length, len(last) + _LENGTHS))
        lasts.update(pc.unique(short.filter(near)).to_pylist())
    close = [last] if last in lasts else get_close_matches(last, sorted(lasts), n=1)
    names: list[str] = []
    for *_, repos, paths in _names(opened) if close else ():
        for i in pc.indices_nonzero(pc.ends_with(paths, close[0])).to_pylist()[: _MOST_NAMES - len(names)]:
            names.append(f"{repos[i].as_py()}/{paths[i].as_py()}" if repos[i].as_py() else paths[i].as_py())
    # The end that is as long as what was written: it may be an end itself.
    ends = {"/".join(name.split("/")[-1 - path.count("/") :]): name for name in reversed(names)}
    best = get_close_matches(path, list(ends), n=1)
    return f'; did you mean "{ends[best[0]]}"?' if best else ""
