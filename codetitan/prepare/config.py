"""The table [prepare] of a configuration: sources, one table a rule, how and where it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from codetitan.config import schema
from codetitan.config.choice import Choice
from codetitan.config.load import Tree, find, load
from codetitan.data.sources.open import source_from_text
from codetitan.errors import ConfigError
from codetitan.prepare.contamination import Contamination
from codetitan.prepare.dependencies.config import DependencyOrder
from codetitan.prepare.documents.notebooks import Notebooks
from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates, RepositoryDuplicates
from codetitan.prepare.engine.tables import EXECUTORS, Local, Ray, Slurm, executor_from_text
from codetitan.prepare.licences import Licences
from codetitan.prepare.readers.open import RAW_TYPES, RawConfig
from codetitan.prepare.rules.alphabetic import Alphabetic
from codetitan.prepare.rules.asserts import Asserts
from codetitan.prepare.rules.balance import Balance
from codetitan.prepare.rules.comments import Comments
from codetitan.prepare.rules.copyright import Copyright
from codetitan.prepare.rules.data_files import DataFiles
from codetitan.prepare.rules.digits import Digits
from codetitan.prepare.rules.duplicate_lines import DuplicateLines
from codetitan.prepare.rules.encoded_data import EncodedData
from codetitan.prepare.rules.generated import Generated
from codetitan.prepare.rules.html import Html
from codetitan.prepare.rules.line_count import LineCount
from codetitan.prepare.rules.long_lines import LongLines
from codetitan.prepare.rules.paths import Paths
from codetitan.prepare.rules.quality import Quality
from codetitan.prepare.rules.replacement import Replacement
from codetitan.prepare.rules.short_files import ShortFiles
from codetitan.prepare.rules.short_lines import ShortLines
from codetitan.prepare.rules.syntax import Syntax
from codetitan.prepare.rules.white_space import WhiteSpace
from codetitan.prepare.rules.xml import Xml
from codetitan.prepare.secrets import Secrets

MOST_SHARDS = 100_000


@dataclass(kw_only=True, slots=True)
class Prepare:
    """`[prepare]`."""

    sources: Annotated[list[RawConfig], Choice("type", RAW_TYPES, word=source_from_text)] = field(default_factory=list)
    """The raw code: tables with a `type`, or words such as "archives:PATH" and "python-packages"."""

    executor: Annotated[Local | Slurm | Ray, Choice("name", EXECUTORS, word=executor_from_text)] = field(
        default_factory=Local
    )
    """Where tasks run: "local" (this machine), "slurm" or "ray", or a table with that `name` and its options."""

    tokenizer: str | None = None
    """Whose tokens are counted in `token_count`: a folder or a name, as `hf_assets_path`; None: none are."""

    shards: int | None = None
    """Files of the corpus, each of which holds whole repositories; None: one for 256 MB of what the sources hold, from
    16 to 4,096."""

    format: Literal["parquet", "jsonl"] = "parquet"
    """Of the corpus; both have the same columns."""

    memory_mb: int = 1024
    """Of a worker, beside 250 MB for the process itself: what does not fit in lies on the disk meanwhile."""

    notebooks: Notebooks = field(default_factory=Notebooks)
    paths: Paths = field(default_factory=Paths)
    licences: Licences = field(default_factory=Licences)
    replacement: Replacement = field(default_factory=Replacement)
    short_files: ShortFiles = field(default_factory=ShortFiles)
    line_count: LineCount = field(default_factory=LineCount)
    long_lines: LongLines = field(default_factory=LongLines)
    short_lines: ShortLines = field(default_factory=ShortLines)
    generated: Generated = field(default_factory=Generated)
    xml: Xml = field(default_factory=Xml)
    data_files: DataFiles = field(default_factory=DataFiles)
    html: Html = field(default_factory=Html)
    alphabetic: Alphabetic = field(default_factory=Alphabetic)
    digits: Digits = field(default_factory=Digits)
    white_space: WhiteSpace = field(default_factory=WhiteSpace)
    encoded_data: EncodedData = field(default_factory=EncodedData)
    duplicate_lines: DuplicateLines = field(default_factory=DuplicateLines)
    comments: Comments = field(default_factory=Comments)
    asserts: Asserts = field(default_factory=Asserts)
    syntax: Syntax = field(default_factory=Syntax)
    copyright: Copyright = field(default_factory=Copyright)
    secrets: Secrets = field(default_factory=Secrets)
    contamination: Contamination = field(default_factory=Contamination)
    quality: Quality = field(default_factory=Quality)
    repository_duplicates: RepositoryDuplicates = field(default_factory=RepositoryDuplicates)
    exact_duplicates: ExactDuplicates = field(default_factory=ExactDuplicates)
    near_duplicates: NearDuplicates = field(default_factory=NearDuplicates)
    balance: Balance = field(default_factory=Balance)
    dependency_order: DependencyOrder = field(default_factory=DependencyOrder)

    def __post_init__(self) -> None:
        for name in ("shards", "memory_mb"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} = {value} must be at least 1")
        if self.shards is not None and self.shards > MOST_SHARDS:
            raise ValueError(f"shards = {self.shards} must not be above {MOST_SHARDS}: each is a file, and a task")


@dataclass(kw_only=True, slots=True)
class Root:
    """What a file for `codetitan prepare` has."""

    prepare: Prepare = field(default_factory=Prepare)

    @staticmethod
    def of(tree: Tree) -> "Root":
        """Returns the tables of settings as they are; whether they can be used is for `read_config` to ask.

        Raises:
            ConfigError: a key does not exist, or a value is wrong.
        """
        root: Root = schema.build(Root, tree, "", Root)
        return root


def read_config(file: Path, overrides: Sequence[str] | Mapping[str, Any] = ()) -> Prepare:
    """Reads a configuration, and asks what the rules need.

    Args:
        file: TOML, with `extends` as training's have it; or the name of one that is shipped.
        overrides: words such as `--prepare.shards 4`.

    Raises:
        ConfigError: a key does not exist, a value is wrong, there is no source, or a package is missing.
    """
    tree = load(find(file), overrides)
    if "prepare" not in tree:
        raise ConfigError(f"{file}: no table [prepare]; `codetitan config --config starcoder` shows one")
    config = Root.of(tree).prepare
    if not config.sources:
        raise ConfigError(
            "prepare.sources: there is none; write [[prepare.sources]], or name one: --prepare.sources directory:PATH"
        )
    config.licences.check()
    config.secrets.check()
    config.contamination.check()
    config.near_duplicates.check()
    config.repository_duplicates.check()
    config.quality.check()
    return config
