"""Opens a source of raw code by its type."""

from codetitan.data.sources.open import SOURCE_TYPES, SourceConfig
from codetitan.prepare.documents.commits import CommitReader, Commits
from codetitan.prepare.documents.issues import IssueReader, Issues
from codetitan.prepare.documents.pull_requests import PullRequestReader, PullRequests
from codetitan.prepare.readers import Reader
from codetitan.prepare.readers.archives import ArchiveReader, Archives
from codetitan.prepare.readers.packages import PackageReader, PythonPackages
from codetitan.prepare.readers.repositories import Repositories, RepositoryReader
from codetitan.prepare.readers.served import ServedReader

# Names of files that may say which licence a repository has (licences/facts.py decides), beside those of code.
ALSO = [
    "[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*", "[Uu][Nn][Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*", "[Cc][Oo][Pp][Yy][Ii][Nn][Gg]*",
    "[Nn][Oo][Tt][Ii][Cc][Ee]*", "copyright", "COPYRIGHT*", "AUTHORS*", "PATENTS*", "PKG-INFO", "METADATA", "RECORD",
    "top_level.txt", "setup.cfg", "pyproject.toml", "package.json", "Cargo.toml", "pom.xml", "*.gemspec",
    "composer.json",
]  # fmt: skip


RawConfig = SourceConfig | Archives | Repositories | PythonPackages | Issues | Commits | PullRequests

RAW_TYPES: dict[str, type] = {
    **SOURCE_TYPES,
    "archives": Archives,
    "repositories": Repositories,
    "python-packages": PythonPackages,
    "issues": Issues,
    "commits": Commits,
    "pull_requests": PullRequests,
}
"""Type of a source → its options."""


def open_reader(config: RawConfig) -> Reader:
    """Opens a source.

    Raises:
        ConfigError: it does not exist, or has nothing.
    """
    if isinstance(config, Archives):
        return ArchiveReader(config, ALSO)
    if isinstance(config, Repositories):
        return RepositoryReader(config)
    if isinstance(config, PythonPackages):
        return PackageReader(config, ALSO)
    if isinstance(config, Issues):
        return IssueReader(config)
    if isinstance(config, Commits):
        return CommitReader(config)
    if isinstance(config, PullRequests):
        return PullRequestReader(config)
    return ServedReader(config, ALSO)
