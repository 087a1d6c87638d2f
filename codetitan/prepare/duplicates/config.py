"""The tables [prepare.exact_duplicates], [prepare.near_duplicates] and [prepare.repository_duplicates]."""

from dataclasses import dataclass, field
from typing import ClassVar

from codetitan.data.minhash import check_rensa
from codetitan.errors import ConfigError


@dataclass(kw_only=True, slots=True)
class ExactDuplicates:
    """Of documents with the same text, the best one stays (SHA-256 of the text)."""

    enable: bool = True
    white_space: bool = True
    """Whether white space counts; without it, texts that differ in indentation or line ends are the same too."""


@dataclass(kw_only=True, slots=True)
class NearDuplicates:
    """Of documents that share most of their word 5-grams, the best one stays.

    Defaults as BigCode has them (bigcode-dataset, near_deduplication/minhash_deduplication.py: 5-grams, 25 bands of 10
    rows, 0.7), who do not verify.
    """

    TABLE: ClassVar[str] = "near_duplicates"

    enable: bool = True
    similarity: float = 0.7
    """Jaccard similarity of the 5-grams from which documents are near-duplicates; each candidate's is computed."""
    bands: int = 25
    rows: int = 10
    """Permutations a band. A pair of similarity s is a candidate with probability 1 - (1 - s^rows)^bands."""
    leaders: list[int] = field(default_factory=lambda: [8, 64])
    """With how many of the best documents of a bucket its others are compared, in each round."""

    def __post_init__(self) -> None:
        """Raises ConfigError where a value is out of its range."""
        if not 0 < self.similarity <= 1:
            raise ConfigError(f"prepare.{self.TABLE}.similarity = {self.similarity} must be above 0 and at most 1")
        for key, low, high in (("bands", 1, 512), ("rows", 1, 512)):
            if not low <= (value := getattr(self, key)) <= high:
                raise ConfigError(f"prepare.{self.TABLE}.{key} = {value} must be {low} to {high}")
        if not self.leaders or not all(1 <= number <= 1024 for number in self.leaders):
            raise ConfigError(
                f"prepare.{self.TABLE}.leaders = {self.leaders} must have numbers of 1 to 1024, one a round"
            )

    def check(self) -> None:
        """Raises ConfigError where rensa is missing."""
        if self.enable:
            check_rensa(f"prepare.{self.TABLE}.enable = true", "prepare")


@dataclass(kw_only=True, slots=True)
class RepositoryDuplicates(NearDuplicates):
    """Of repositories that share most of the word 5-grams of their files, the best one stays. They go before files are
    compared, so that no file goes for one that goes itself.

    Off: OpenCoder, who tried both levels, kept 99.5B tokens by repository and 32.7B by file, and the latter scored
    better (arXiv 2411.04905). DeepSeek-Coder compares repositories alone, so that none has gaps (arXiv 2401.14196,
    Repo-Level Deduplication): that is this table beside `near_duplicates.enable = false` and
    `exact_duplicates.enable = false`.
    """

    TABLE: ClassVar[str] = "repository_duplicates"

    enable: bool = False
