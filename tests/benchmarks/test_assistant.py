"""From a base model to an assistant: instruction tuning and preferences have the effect that they are for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.slow
def test_a_small_model_learns_to_answer_and_to_prefer(tmp_path: Path) -> None:
    program = REPOSITORY / "benchmarks" / "assistant.py"
    few = ["--base-steps", "100", "--steps", "300", "--dpo-steps", "20"]  # a base of a tenth: minutes
    command = [sys.executable, str(program), *few, "--json", str(tmp_path / "found.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    base, tuned, mixed = (found["stages"][name] for name in list(found["stages"])[:3])
    assert base["exact"] == 0 and tuned["exact"] > 0.5
    assert tuned["loss"] < base["loss"] / 4 and mixed["loss"] < base["loss"] / 2
    # What is mixed in is not forgotten.
    assert mixed["bits-per-byte/bits_per_byte"] < tuned["bits-per-byte/bits_per_byte"]
    first, last = found["dpo"][0], found["dpo"][-1]
    assert last["validation/rewards/margin"] > 10 * abs(first["validation/rewards/margin"])
    assert last["validation/loss"] < first["validation/loss"] and last["validation/rewards/accuracy"] > 0.9
