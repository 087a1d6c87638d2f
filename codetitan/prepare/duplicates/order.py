"""Which of several copies stays: a total order, as bytes that sort like it."""

from datetime import UTC, datetime

_END = b"\0\1"  # of a text; a zero byte in it is \0\xff, which sorts behind


def order_key(
    *,
    permissive: bool,
    stars: int | None,
    date: datetime | None,
    repo: str | None,
    path: str,
    source: str,
    id: str = "",
) -> bytes:
    """Returns what sorts before the key of any document that is worse.

    Permissive licences come first, then many stars, then the latest date, and then by repository, path, source and id.
    What isn't known comes last. Forks, which some ask too, are not: they follow the stars.

    Args:
        permissive: all of its licences are.
        stars: of the repository.
        date: of its last change, with its time zone.
        id: tells apart what is the same in all of these, such as two rows of a table.
    """
    seconds = 0 if date is None else int(date.astimezone(UTC).timestamp()) + (1 << 62)
    popular = 0 if stars is None else stars + 1
    numbers = bytes([not permissive]) + _descending(popular) + _descending(seconds)
    return numbers + b"".join(map(_ascending, (repo or "", path, source, id)))


def name_of(key: bytes) -> str:
    """Returns repository/path of a key, or the one of both that is known: a repository as a whole has no path."""
    repo, path = (part.replace(b"\0\xff", b"\0").decode() for part in key[17:].split(_END)[:2])
    return f"{repo}/{path}" if repo and path else repo or path


def _descending(number: int) -> bytes:
    return ((1 << 64) - 1 - number).to_bytes(8)


def _ascending(text: str) -> bytes:
    return text.encode().replace(b"\0", b"\0\xff") + _END
