"""How much of a file is letters: tables of numbers and dumps have few."""

from dataclasses import dataclass, field
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.characters import n_alphabetic, n_alphanumeric, n_white
from codetitan.prepare.rules.checks import check_languages, check_share

_WEB_ASSEMBLY = (".wat", ".wast")


@dataclass(kw_only=True, slots=True)
class Alphabetic:
    """Drops a file of which less than `min_share` of the characters are letters, of any script (`str.isalpha`).

    In `alphanumeric_languages`, digits count as letters. With `min_visible_share`, a share of letters among the
    characters that are no white space is asked for, too.

    Source: StarCoder2 §2.1 ("Alpha filter"), < 25 %, digits counted for Motorola 68K Assembly and WebAssembly only.
    Differs: assembly is one language here, so digits count in all of it; WebAssembly is known by its extension.
    `min_visible_share` is OpenCoder's `qsc_code_frac_chars_alphabet`, which has 0.5; off, as StarCoder2 has it.
    """

    NAME: ClassVar[str] = "alphabetic"

    enable: bool = True
    min_share: float = 0.25
    min_visible_share: float | None = None
    alphanumeric_languages: list[str] = field(default_factory=lambda: ["assembly"])

    def __post_init__(self) -> None:
        check_share("min_share", self.min_share)
        check_share("min_visible_share", self.min_visible_share)
        check_languages("alphanumeric_languages", self.alphanumeric_languages)

    def judge(self, file: File) -> Drop | None:
        with_digits = file.language in self.alphanumeric_languages or file.path.endswith(_WEB_ASSEMBLY)
        counted = n_alphanumeric(file) if with_digits else n_alphabetic(file)
        if (share := counted / max(len(file.text), 1)) < self.min_share:
            return Drop(self.NAME, "few letters", share, self.min_share)
        if self.min_visible_share is not None:
            share = n_alphabetic(file) / max(len(file.text) - n_white(file), 1)
            if share < self.min_visible_share:
                return Drop(self.NAME, "few letters among what is visible", share, self.min_visible_share)
        return None
