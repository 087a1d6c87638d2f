"""Direct preference optimization: which of two answers to a prompt is better, against a reference (arXiv 2305.18290).

    Δ = r(chosen) − r(rejected),  r(y) = log π(y | x) − log π_ref(y | x)

    sigmoid: −log σ(βΔ); smoothed −(1 − ε) log σ(βΔ) − ε log σ(−βΔ) (arXiv 2305.18290 §A.3, "conservative DPO")
    ipo:     (Δ − 1 / 2β)² (arXiv 2310.12036 eq. 17)

Length-normalised, r is divided by the answer's learnt tokens (arXiv 2411.15124 §5.1.2; TRL does so for ipo).
"""

import torch
from torch.nn.functional import logsigmoid

from codetitan.objectives.config import DPO
from codetitan.objectives.objective import Learnt, Streams, TotalOverRanks

METRICS = ("rewards/chosen", "rewards/rejected", "rewards/margin", "rewards/accuracy")


def compared(ratio_2: torch.Tensor, tokens_2: torch.Tensor, config: DPO) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns (…,): the loss of each pair, and (…, 2): the rewards of its answers, βr.

    Args:
        ratio_2: (…, 2), r of the chosen and the rejected answer.
        tokens_2: (…, 2), their learnt tokens; 0 where there is no pair.
        config: β and the form.
    """
    r_2 = ratio_2 / tokens_2.clamp(min=1) if config.length_normalised else ratio_2
    return pair_losses(r_2[..., 0] - r_2[..., 1], config), config.beta * r_2


def pair_losses(delta_P: torch.Tensor, config: DPO) -> torch.Tensor:
    """Returns (P,): the loss of each pair.

    Args:
        delta_P: (P,), Δ.
        config: β, ε and the form.
    """
    if config.loss == "ipo":
        return (delta_P - 1 / (2 * config.beta)) ** 2
    smoothing = config.label_smoothing
    margin_P = config.beta * delta_P
    return -(1 - smoothing) * logsigmoid(margin_P) - smoothing * logsigmoid(-margin_P)


def rewards(reward_2: torch.Tensor) -> torch.Tensor:
    """Returns (…, 4), the METRICS of each pair, of the rewards of its answers (…, 2)."""
    chosen, rejected = reward_2.unbind(-1)
    margin = chosen - rejected
    return torch.stack([chosen, rejected, margin, (margin > 0).to(margin.dtype)], -1)


class Preferences:
    """The objective of pairs. Its denominator is their number.

    Both answers lie in one row. Their learnt tokens carry two streams: `side`, the number of the answer in its row,
    even where it is the chosen one of the pair (side // 2); and `reference`, float64, which adds up over the answer's
    tokens to log π_ref.
    """

    streams: tuple[str, ...] = ("side", "reference")
    metrics: tuple[str, ...] = METRICS

    def __init__(self, config: DPO) -> None:
        self._config = config

    def __call__(
        self, logp_BL: torch.Tensor, learnt_BL: torch.Tensor, streams: Streams, total: TotalOverRanks
    ) -> Learnt:
        """See `objective.Objective`."""
        config = self._config
        rows, length = logp_BL.shape
        # In float64: answers of hundreds of tokens are compared by differences of less than one.
        ratio_BL = logp_BL.double() - streams["reference"].view(torch.float64)
        side_BL = streams["side"].clamp(min=0)
        # A row has fewer answers than tokens; ranks that share a row have parts of it, of the same length each.
        room = length * total.ranks + length * total.ranks % 2
        ratio_BA, tokens_BA = total(
            torch.zeros(2, rows, room, dtype=torch.float64, device=logp_BL.device).scatter_add_(
                2, side_BL.expand(2, -1, -1), torch.stack([ratio_BL, torch.ones_like(ratio_BL)]) * learnt_BL
            )
        )
        there_BP = tokens_BA[:, ::2] > 0
        with torch.enable_grad():
            ratio_BA.requires_grad_()
            loss_BP, reward_BP2 = compared(ratio_BA.unflatten(1, (-1, 2)), tokens_BA.unflatten(1, (-1, 2)), config)
            loss = (loss_BP * there_BP).sum()
            (slope_BA,) = torch.autograd.grad(loss, ratio_BA)
        return Learnt(
            # Each of the ranks that share a row has the whole loss of its pairs.
            loss.detach() / total.ranks,
            -slope_BA.gather(1, side_BL) * learnt_BL,
            (rewards(reward_BP2.detach()) * there_BP[..., None]).sum((0, 1)) / total.ranks,
            there_BP.sum().double() / total.ranks,
        )
