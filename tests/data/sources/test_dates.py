"""When a document was last changed, in the forms that stores have; and that nothing else depends on it."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from codetitan.data.document import Document
from codetitan.data.sources.dates import date_of
from codetitan.data.sources.open import Jsonl, Parquet, open_source
from codetitan.data.sources.records import Columns

MOMENT = datetime(2020, 5, 18, 12, 34, 56, tzinfo=UTC)
SECONDS = int(MOMENT.timestamp())


@pytest.mark.parametrize(
    "value",
    [
        "2020-05-18T12:34:56.000Z", "2020-05-18 12:34:56 UTC", "2020-05-18 14:34:56.789+02:00", " 20200518T123456 ",
        SECONDS, SECONDS + 0.5, SECONDS * 1000, SECONDS * 10**6 + 17, SECONDS * 10**9, MOMENT,
        MOMENT.replace(tzinfo=None, microsecond=5), MOMENT.astimezone(timezone(timedelta(hours=-7))),
    ],
)  # fmt: skip
def test_forms(value: object) -> None:
    assert date_of(value) == MOMENT
    assert date_of(date(2020, 5, 18)) == date_of("2020-05-18") == MOMENT.replace(hour=0, minute=0, second=0)


@pytest.mark.parametrize(
    "value",
    [None, "", "May", "2020-13-01", "0001-01-01T00:00:00+23:00", True, 0, 1, -5, 1e300, float("nan"), [], 10**40],
)  # fmt: skip
def test_what_is_no_date(value: object) -> None:
    assert date_of(value) is None


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("max_stars_repo_stars_event_max_datetime", pa.string()), ("committer_date", pa.timestamp("ns")),
        ("revision_date", pa.timestamp("us", "Europe/Berlin")), ("updated_at", pa.timestamp("s")),
        ("visit_date", pa.int64()),
    ],
)  # fmt: skip
def test_stores(tmp_path: Path, column: str, kind: pa.DataType) -> None:
    values = {"string": "2020-05-18T12:34:56.000Z", "int64": SECONDS}
    value = values.get(str(kind), MOMENT if getattr(kind, "tz", None) else MOMENT.replace(tzinfo=None))
    table = pa.table({"content": ["x = 1\n", "y = 1\n"], column: pa.array([value, None], kind)})
    pq.write_table(table, tmp_path / "a.parquet")
    source = open_source(Parquet(path=str(tmp_path / "a.parquet")))
    found = [source.read(i) for i in range(2)]
    assert [each.date for each in found if isinstance(each, Document)] == [MOMENT, None]


def test_a_date_out_of_range_is_none(tmp_path: Path) -> None:
    far = pa.array([2**62, -(2**62)], pa.timestamp("ms"))
    pq.write_table(pa.table({"content": ["a", "b"], "date": far}), tmp_path / "a.parquet")
    source = open_source(Parquet(path=str(tmp_path / "a.parquet")))
    assert [getattr(source.read(i), "date", "") for i in range(2)] == [None, None]


def test_two_types_of_dates_are_read(tmp_path: Path) -> None:
    """For what no token depends on, no source is refused."""
    for name, dates in (("a", ["2020-05-18T12:34:56Z"]), ("b", [MOMENT])):
        pq.write_table(pa.table({"content": [name], "date": dates}), tmp_path / f"{name}.parquet")
    source = open_source(Parquet(path=str(tmp_path)))
    assert [getattr(source.read(i), "date", None) for i in range(2)] == [MOMENT, MOMENT]


def test_without_a_date_all_is_called_as_before(tmp_path: Path) -> None:
    """Fingerprints of sources are hashes of these: a run that goes on must find its data."""
    assert repr(Document("s", "a.py", "x", "o/n", "python", "MIT", 3)) == (
        "Document(source='s', path='a.py', text='x', repo='o/n', language='python', licence='MIT', stars=3, "
        "has_path=True)"
    )
    assert repr(Columns("content", stars="stars")) == (
        "Columns(text='content', path=None, repo=None, language=None, licence=None, stars='stars', documentation=None)"
    )
    lines = [{"content": "x = 1\n", "path": "a.py"}, {"content": "x = 1\n", "path": "a.py", "date": "2020-05-18"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    source = open_source(Jsonl(path=str(tmp_path / "a.jsonl")))
    plain, dated = source.read(0), source.read(1)
    assert isinstance(plain, Document) and isinstance(dated, Document)
    assert "date=" not in repr(plain) and "date=" in repr(dated) and dated.text == plain.text
