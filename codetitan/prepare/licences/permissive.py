"""Which licences are permissive: the Blue Oak Council's list, by its ratings from Model down to Bronze."""

import json
from functools import cache
from importlib.resources import files

from codetitan.prepare.licences.spdx import identifier

RATINGS = ("model", "gold", "silver", "bronze", "lead")
"""The best first; the council advises against the wording of licences that it rates lead."""

LIST_VERSION = "15.0.0"
"""Of the npm package @blueoak/list."""

# Listed since under another name: the same terms without BeOpen's and CNRI's history (SPDX, Python-2.0.1).
_SAME = {"Python-2.0": "Python-2.0.1"}
_LIST = f"blueoak-{LIST_VERSION}.json"


@cache
def permissive_identifiers(down_to: str = "bronze") -> frozenset[str]:
    """Returns the SPDX identifiers that have a rating, in the writing of `spdx`.

    Args:
        down_to: the lowest rating that counts, one of RATINGS.
    """
    ratings = json.loads((files(__package__) / _LIST).read_text("utf-8"))
    wanted = RATINGS[: RATINGS.index(down_to) + 1]
    found = (licence["id"] for rating in ratings if rating["name"].lower() in wanted for licence in rating["licenses"])
    names = {identifier(name) or name for name in found}
    return frozenset(names | {same for name, same in _SAME.items() if name in names})
