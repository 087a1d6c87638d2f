"""The step's line: its width, and its numbers."""

import pytest

from codetitan.training.console import StepLine, count, rate

GPU = [
    (0, "step 13400/13400"), (0, "loss 2.1034"), (1, "norm 0.213"), (3, "lr 3.00e-05"), (0, "994k tok/s"),
    (5, "124k each"), (2, "MFU 40.9 %"), (4, "31.70 GiB"), (0, "left 12d 4h"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (1024, "step 13400/13400  loss 2.1034  norm 0.213  lr 3.00e-05  994k tok/s  124k each  MFU 40.9 %  31.70 GiB  "
         "left 12d 4h"),
        (100, "step 13400/13400  loss 2.1034  norm 0.213  lr 3.00e-05  994k tok/s  MFU 40.9 %  left 12d 4h"),
        (80, "step 13400/13400  loss 2.1034  norm 0.213  994k tok/s  MFU 40.9 %  left 12d 4h"),
        (70, "step 13400/13400  loss 2.1034  norm 0.213  994k tok/s  left 12d 4h"),
        (10, "step 13400/13400  loss 2.1034  994k tok/s  left 12d 4h"),
    ],
)  # fmt: skip
def test_what_is_left_out_first(width: int, line: str) -> None:
    assert StepLine(width).text(GPU) == line


def test_lines_keep_their_shape() -> None:
    """What did not fit once is left out of shorter lines, too."""
    lines = StepLine(40)
    assert lines.text([(0, "x" * 38), (1, "norm 1")]) == "x" * 38
    assert lines.text([(0, "x"), (1, "norm 1"), (2, "")]) == "x"


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (39.6, "40"), (3048, "3,048"), (409_600, "409,600"), (52_428_800, "52.4M"), (7_025_459_200, "7.03B"),
     (1.5e12, "1.5T"), (1e6, "1M")],
)  # fmt: skip
def test_counts(n: float, text: str) -> None:
    assert count(n) == text


@pytest.mark.parametrize(
    ("n", "text"), [(3048, "3,048"), (99_999, "99,999"), (993_696, "994k"), (999_900, "1M"), (1_210_000, "1.21M")]
)
def test_rates(n: float, text: str) -> None:
    assert rate(n) == text
