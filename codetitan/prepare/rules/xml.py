"""XML under the name of another language: translations in .ts, styles in .sld."""

from dataclasses import dataclass, field
from typing import ClassVar

from codetitan.prepare.file import Drop, File
from codetitan.prepare.rules.checks import check_languages

_DECLARATION = "<?xml version="
_HEAD = 100  # characters


@dataclass(kw_only=True, slots=True)
class Xml:
    """Drops a file with "<?xml version=" in its first 100 characters, unless it is in one of `except_languages`.

    Source: StarCoder §3.1 ("XML filter"; all but XSLT), OpenCoder `qsc_code_cate_xml_start`, DeepSeek-Coder §2.1.
    Differs: files that are known as XML or HTML are not dropped; StarCoder had no XML among its languages, StarCoder2
    has. So "except_languages = []" is OpenCoder's.
    """

    NAME: ClassVar[str] = "xml"

    enable: bool = True
    except_languages: list[str] = field(default_factory=lambda: ["xml", "html"])

    def __post_init__(self) -> None:
        check_languages("except_languages", self.except_languages)

    def judge(self, file: File) -> Drop | None:
        if file.language in self.except_languages or _DECLARATION not in file.text[:_HEAD]:
            return None
        return Drop(self.NAME, "XML under another name", file.language, "xml")
