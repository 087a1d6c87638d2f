"""What a run has served so far, in tokens."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Served:
    """Counts of a run.

    Attributes:
        sources: source (with the language where it has shares of languages) → tokens.
        languages: language → tokens, without those that had none.
        padding: positions without a token.
        before: positions of the run's earlier data, where the data was started from its beginning since.
    """

    sources: dict[str, int]
    languages: dict[str, int]
    padding: int
    before: int = 0

    @property
    def tokens(self) -> int:
        """Tokens since the data began, padding not counted: the sum of the sources, and of the languages."""
        return sum(self.sources.values())

    @property
    def positions(self) -> int:
        """Rows times seq_len of all steps, padding counted: what the model has computed, whatever the batch was."""
        return self.before + self.tokens + self.padding
