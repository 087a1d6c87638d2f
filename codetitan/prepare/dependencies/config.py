"""The table [prepare.dependency_order]."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(kw_only=True, slots=True)
class DependencyOrder:
    """Puts the files of a repository behind those that they import; else they lie in the order of their paths.

    Training draws neighbours of the corpus together where `dataloader.metadata.repository_level` is above 0, and keeps
    their order: a model then reads a definition before its use.

    Source: DeepSeek-Coder (arXiv 2401.14196, §2.2).
    """

    NAME: ClassVar[str] = "dependency_order"

    enable: bool = True
