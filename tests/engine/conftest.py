"""Two kinds of models, exported."""

import pytest

from codetitan.hf.export import export
from tests.hf.conftest import Exported, install
from tests.hf.kinds import KINDS, built, checkpoint, described, expected

__all__ = ["install"]


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    """Kind → its export, and what our own code makes of the model."""
    root, made = tmp_path_factory.mktemp("exports"), {}
    for number, kind in enumerate(("grouped-query", "YaRN")):
        shape, rope = KINDS[kind]
        model = built(shape, rope)
        export(checkpoint(root / f"checkpoint-{number}", model, described(shape, rope)), root / f"model-{number}")
        made[kind] = Exported(root / f"model-{number}", expected(model))
    return made
