"""When a file or its repository was last changed, as stores write it: ISO 8601, seconds since 1970, Arrow's types."""

from datetime import UTC, date, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST = datetime(1970, 1, 2, tzinfo=UTC)  # 0 and 1 stand for a date that nobody knew
# Seconds, milliseconds, microseconds and nanoseconds since 1970 are told apart by their size, from 1973 to 5138.
_UNITS = ((1e17, 10**9), (1e14, 10**6), (1e11, 1000), (0, 1))


def date_of(value: object) -> datetime | None:
    """Returns a moment in UTC, in whole seconds; None where the value is none that is understood.

    Args:
        value: a text in ISO 8601 (also "2016-03-08 21:45:12 UTC", as BigQuery writes it), a number since 1970 in
            seconds or a thousandth, millionth or billionth of one, a date or a datetime. Without a time zone: UTC.
    """
    try:
        moment = _moment(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment is not None and moment >= _LEAST else None


def after_1970(seconds: int) -> datetime | None:
    """Returns the moment in UTC; None where the calendar has none, before the year 1 and after 9999."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _moment(value: object) -> datetime | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip().removesuffix(" UTC"))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        unit = next((unit for least, unit in _UNITS if value >= least), 1)
        value = after_1970(int(value) // unit)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        return None
    zoned = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).replace(microsecond=0)
