"""Under which licence a file may be used, who said so, and whether that is permissive.

`collect` reads what a repository says of itself into facts, which tasks can gather apart and merge; `Licences.judge`
finds the licence of one file in them, as a `Repository`. `blueoak-15.0.0.json` is the list of the npm package
@blueoak/list 15.0.0 as it is (CC0-1.0; the Blue Oak Council's ratings of permissive licences,
https://blueoakcouncil.org/list). The room imports `data/`'s knowledge of licence texts.
"""

from codetitan.prepare.licences.facts import Facts, collect, is_interesting, merge
from codetitan.prepare.licences.judge import Licences, Verdict, versions
from codetitan.prepare.licences.repository import Repository

__all__ = ["Facts", "Licences", "Repository", "Verdict", "collect", "is_interesting", "merge", "versions"]
