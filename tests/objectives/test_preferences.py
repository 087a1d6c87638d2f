"""Direct preference optimization beside its formula, written out pair by pair and differentiated by autograd."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import log_softmax, logsigmoid

from codetitan.objectives.config import DPO, SFT, NextToken
from codetitan.objectives.loss import ObjectiveLoss, with_objective
from codetitan.objectives.objective import TotalOverRanks
from codetitan.objectives.preferences import METRICS, Preferences
from codetitan.titan import IGNORE_INDEX, ChunkedLossWrapper, CrossEntropyLoss

VOCABULARY, WIDTH, ROWS, LENGTH = 11, 6, 3, 16
# row → answers as (first, last) label, chosen and rejected in turn; the last row has none
ANSWERS = [[(1, 4), (6, 9), (10, 11), (13, 16)], [(2, 3), (3, 8)], []]
CONFIGS = [
    DPO(),
    DPO(beta=0.5, label_smoothing=0.2),
    DPO(length_normalised=True),
    DPO(loss="ipo", beta=0.3),
    DPO(loss="ipo", length_normalised=True),
]


def labels_and_references() -> tuple[torch.Tensor, torch.Tensor, list[list[float]]]:
    """Returns labels (B, L, 3), the ids alone, and the reference of each answer."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, VOCABULARY, (ROWS, LENGTH), generator=generator)
    side, reference = torch.full((ROWS, LENGTH), -1), torch.zeros(ROWS, LENGTH, dtype=torch.float64)
    learnt = torch.zeros(ROWS, LENGTH, dtype=torch.bool)
    references = [[-2.0 - number - row for number in range(len(answers))] for row, answers in enumerate(ANSWERS)]
    for row, answers in enumerate(ANSWERS):
        for number, (start, stop) in enumerate(answers):
            learnt[row, start:stop], side[row, start:stop] = True, number
            reference[row, start] = references[row][number]
    ids = torch.where(learnt, ids, IGNORE_INDEX)
    return torch.stack([ids, side, reference.view(torch.int64)], -1), ids, references


def plain(logits: torch.Tensor, config: DPO) -> tuple[torch.Tensor, list[float]]:
    """The mean loss over the pairs, and their margins, one after the other."""
    _, ids, references = labels_and_references()
    losses, margins = [], []
    for row, answers in enumerate(ANSWERS):
        ratios = []
        for (start, stop), reference in zip(answers, references[row], strict=True):
            logp = log_softmax(logits[row, start:stop], -1).gather(-1, ids[row, start:stop, None]).sum()
            ratio = logp - reference
            ratios.append(ratio / (stop - start) if config.length_normalised else ratio)
        for chosen, rejected in zip(ratios[::2], ratios[1::2], strict=True):
            delta = chosen - rejected
            margins.append(float((config.beta * delta).detach()))
            if config.loss == "ipo":
                losses.append((delta - 1 / (2 * config.beta)) ** 2)
            else:
                smoothing = config.label_smoothing
                right, wrong = logsigmoid(config.beta * delta), logsigmoid(-config.beta * delta)
                losses.append(-(1 - smoothing) * right - smoothing * wrong)
    return torch.stack(losses).mean(), margins


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("chunks", [1, 4])
def test_loss_and_gradients_are_those_of_the_formula(config: DPO, chunks: int) -> None:
    torch.manual_seed(1)
    hidden = torch.randn(ROWS, LENGTH, WIDTH, requires_grad=True)
    head = nn.Linear(WIDTH, VOCABULARY, bias=False)
    expected, margins = plain(head(hidden).double(), config)
    gradients = torch.autograd.grad(expected, [hidden, head.weight])

    chosen = ChunkedLossWrapper.Config(num_chunks=chunks) if chunks > 1 else CrossEntropyLoss.Config()
    loss_fn = with_objective(chosen, config, VOCABULARY).build(compile_config=None)
    assert isinstance(loss_fn, ObjectiveLoss)
    loss_fn.set_lm_head(head)
    labels, _, _ = labels_and_references()
    loss, _ = loss_fn(hidden, labels, torch.tensor(3))
    loss.backward()
    torch.testing.assert_close(loss, expected.float(), rtol=1e-6, atol=0)
    for found, other in zip((hidden.grad, head.weight.grad), gradients, strict=True):
        torch.testing.assert_close(found, other, rtol=1e-5, atol=1e-6 * float(other.abs().max()))
    measured = loss_fn.measured.take([], torch.device("cpu"))
    assert tuple(measured) == METRICS
    assert measured["rewards/margin"] == pytest.approx(sum(margins) / 3, rel=1e-6)
    assert measured["rewards/accuracy"] == pytest.approx(sum(margin > 0 for margin in margins) / 3)
    assert measured["rewards/margin"] == pytest.approx(measured["rewards/chosen"] - measured["rewards/rejected"])
    assert loss_fn.measured.take([], torch.device("cpu")) == {}


def test_at_the_reference_the_loss_is_ln_2() -> None:
    labels, ids, _ = labels_and_references()
    logp = torch.where(ids >= 0, -torch.rand(ROWS, LENGTH), 0)
    streams = {"side": labels[..., 1], "reference": logp.double().view(torch.int64)}
    learnt = Preferences(DPO())(logp, ids >= 0, streams, TotalOverRanks())
    assert float(learnt.loss) / 3 == pytest.approx(math.log(2), rel=1e-12)
    assert float(learnt.count) == 3
    # −∂loss/∂logp = β / 2 of what is chosen, −β / 2 of what is rejected
    assert set(learnt.weight_BL.unique().tolist()) == {-0.05, 0.0, 0.05}


def test_without_gradients_it_is_cross_entropy() -> None:
    labels, ids, _ = labels_and_references()
    hidden, head = torch.randn(ROWS, LENGTH, WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)
    loss_fn = with_objective(CrossEntropyLoss.Config(), DPO(), VOCABULARY).build(compile_config=None)
    loss_fn.set_lm_head(head)
    with torch.no_grad():
        loss, _ = loss_fn(hidden, labels)
        expected = nn.functional.cross_entropy(head(hidden).flatten(0, 1), ids.flatten(), reduction="sum")
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("objective", [NextToken(), SFT()], ids=str)
def test_what_has_no_weights_is_torchtitans_cross_entropy(objective: NextToken | SFT) -> None:
    whole = with_objective(CrossEntropyLoss.Config(), objective, VOCABULARY)
    assert type(whole) is CrossEntropyLoss.Config and whole.global_vocab_size == VOCABULARY
    chunked = with_objective(ChunkedLossWrapper.Config(num_chunks=2), objective, VOCABULARY)
    assert type(chunked) is ChunkedLossWrapper.Config and chunked.num_chunks == 2
    assert chunked.loss_fn == whole
