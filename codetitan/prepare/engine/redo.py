"""What of an output folder would be done again, and why: the records of its stages beside those of now."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from codetitan.prepare.engine.stage import RECORD, Stage
from codetitan.prepare.engine.state import STAGES, Place, places

_MOST = 3  # keys of a stage that are named
_ABSENT = object()


def redo(stages: Sequence[Stage], folder: Path) -> Iterator[str]:
    """Yields lines: what is done and stays, each stage that has changed, with what, and how many follow from it.

    Nothing is made or locked. A folder without any stage gives no line.

    Args:
        stages: as they are configured now.
        folder: the output folder, there or not.
    """
    all_places = places(stages, folder)
    if not (folder / STAGES).is_dir():
        return
    done = [place.stage.name for place in all_places if _n_done(place) == place.stage.tasks]
    if len(done) == len(all_places):
        yield "all is done with these settings; nothing would be done again"
        return
    if done:
        yield f"stays: {', '.join(done)}"
    changes: dict[str, list[str]] = {}
    for place in all_places:
        if not _n_done(place) and (old := _record_before(place)) is not None:
            changes[place.stage.name] = _changes(old, place.record)
    # What has not changed itself is done again for what comes before it: it is enough to know that there is some.
    follow = [name for name, changed in changes.items() if not changed]
    last = next((name for name in reversed(changes) if changes[name]), None)
    for place in all_places:
        name, n = place.stage.name, _n_done(place)
        if name in done or name in follow:
            continue
        if n:
            yield f"goes on: {name}, {n} of {place.stage.tasks} tasks are done"
        elif name not in changes:
            yield f"to be done: {name}"
        else:
            changed = changes[name]
            more = f" and {len(changed) - _MOST} more" if len(changed) > _MOST else ""
            after = f" and {len(follow)} stage{'s' * (len(follow) > 1)} after it" if follow and name == last else ""
            yield f"done again: {name}{after}: {'; '.join(changed[:_MOST])}{more}"
    if follow and last is None:
        yield f"done again: {', '.join(follow)}"


def _n_done(place: Place) -> int:
    return place.stage.tasks - len(place.left()) if place.tasks.is_dir() else 0


def _record_before(place: Place) -> Mapping[str, Any] | None:
    """Returns the newest record of a stage of this name with other inputs: that of the last settings."""
    found = []
    for path in place.folder.parent.glob(f"{place.stage.name}-*/{RECORD}"):
        try:
            record = json.loads(path.read_bytes())
        except (OSError, ValueError):  # half removed: it says nothing
            continue
        if path.parent != place.folder and record.get("name") == place.stage.name:
            found.append((path.stat().st_mtime_ns, path.parent.name, record))
    return max(found, key=lambda item: item[:2])[2] if found else None


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Returns what a stage's own inputs differ in, such as `rules.long_lines.max_longest: 1000 → 2000`."""
    changed = [f"tasks: {old['tasks']} → {new['tasks']}"] if old["tasks"] != new["tasks"] else []
    before, now = (dict(_flat(record["inputs"])) for record in (old, new))
    for key in [*now, *(key for key in before if key not in now)]:
        values = before.get(key, _ABSENT), now.get(key, _ABSENT)
        if values[0] != values[1]:
            changed.append(f"{key}: {_difference(*values)}")
    return changed


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _flat(item, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield from _flat(item, f"{key}.{number}")
    else:
        yield key, value


def _difference(old: Any, new: Any) -> str:
    if not (isinstance(old, list) and isinstance(new, list)):
        return f"{_shown(old)} → {_shown(new)}"
    added, removed = ([item for item in of if item not in others] for of, others in ((new, old), (old, new)))
    said = [f"{word} {_shown(item)}" for word, items in (("with", added), ("without", removed)) for item in items]
    return f"{', '.join(said[:_MOST])}{', …' if len(said) > _MOST else ''}" or "in another order"


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
