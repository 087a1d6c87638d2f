"""Files of data and of plain text: long ones, and text that is no documentation."""

from dataclasses import dataclass, field
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_at_least, check_languages, check_order

_EXTENSIONS = (".owl", ".dot", ".gv")  # Web Ontology Language and Graphviz, which are no languages of ours
_NAMES = ("readme", "notes", "todo", "description", "cmakelists")


@dataclass(kw_only=True, slots=True)
class DataFiles:
    """Drops a file of data with more than `max_lines` lines, and plain text that its name does not commend.

    Plain text ("text") is kept where the lower-cased name has one of `text_words` in it, or is one of `text_names`
    without its extension; with both empty, all of it is.

    Source: StarCoder2 §2.1 ("Language-specific filters"): Text, JSON, YAML, Web Ontology Language and Graphviz; the
    words and names of Text. `min_characters` and `max_characters` are OpenCoder's `qsc_code_num_chars` of data
    (50 and 5000; DeepSeek-Coder §2.1 and StarCoder have them for JSON and YAML); off, as StarCoder2 has lines.
    """

    NAME: ClassVar[str] = "data_files"

    enable: bool = True
    languages: list[str] = field(default_factory=lambda: ["text", "json", "yaml"])
    max_lines: int | None = 512
    min_characters: int | None = None
    max_characters: int | None = None
    text_names: list[str] = field(default_factory=lambda: list(_NAMES))
    text_words: list[str] = field(default_factory=lambda: ["requirement"])

    def __post_init__(self) -> None:
        check_languages("languages", self.languages)
        check_at_least("max_lines", self.max_lines, 1)
        check_at_least("min_characters", self.min_characters, 0)
        check_at_least("max_characters", self.max_characters, 1)
        check_order("min_characters", self.min_characters, "max_characters", self.max_characters)

    def judge(self, file: File) -> Drop | None:
        if file.language not in self.languages and not file.path.lower().endswith(_EXTENSIONS):
            return None
        if self.max_lines is not None and file.n_lines > self.max_lines:
            return Drop(self.NAME, "long data file", file.n_lines, self.max_lines)
        n = len(file.text)
        if self.min_characters is not None and n < self.min_characters:
            return Drop(self.NAME, "small data file", n, self.min_characters)
        if self.max_characters is not None and n > self.max_characters:
            return Drop(self.NAME, "large data file", n, self.max_characters)
        if file.language == "text" and not self._is_commended(file.path):
            return Drop(self.NAME, "text of another name", file.path.rpartition("/")[2])
        return None

    def _is_commended(self, path: str) -> bool:
        if not self.text_names and not self.text_words:
            return True
        name = path.rpartition("/")[2].lower()
        stem = name.rpartition(".")[0] or name
        return stem in self.text_names or any(word in name for word in self.text_words)
