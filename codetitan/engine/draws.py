"""Which token comes next. A draw is a function of its key, not of what was drawn before or beside it."""

from collections.abc import Sequence

import torch

from codetitan.data.order import key
from codetitan.engine import Sampling

_NUCLEUS = 512


def key_of(sampling: Sampling, prompt: Sequence[int], number: int) -> int:
    """Returns the key of a completion's draws; draw i of it is for its token i."""
    return key(sampling.seed, "completion", number, *prompt)


def choose(logits_RV: torch.Tensor, sampling: Sampling, draws: Sequence[float]) -> torch.Tensor:
    """Chooses a token a row.

    Args:
        logits_RV: float32 (R, V); minus infinity where there is no token.
        sampling: temperature and top-p.
        draws: of each row, in [0, 1).

    Returns:
        int64 (R,); of a row that is not finite any token.
    """
    if sampling.temperature == 0:
        return logits_RV.argmax(-1)
    # In float64 and in the order of the ids: rounding of another batch moves a boundary by 1e-7, and hardly a token.
    p_RV = (logits_RV.double() / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        p_RV = _nucleus(p_RV, sampling.top_p)
    sums_RV = p_RV.cumsum(-1)
    u_R1 = torch.tensor(draws, dtype=torch.float64, device=p_RV.device)[:, None] * sums_RV[:, -1:]
    last_R1 = torch.searchsorted(sums_RV, sums_RV[:, -1:].contiguous())  # where u is rounded up to the sum
    # Of a row that is not finite the search finds V.
    last_R1 = last_R1.clamp(max=sums_RV.shape[-1] - 1)
    return torch.minimum(torch.searchsorted(sums_RV, u_R1, right=True), last_R1)[:, 0]


def _nucleus(p_RV: torch.Tensor, top_p: float) -> torch.Tensor:
    """Returns the likeliest tokens of each row that have `top_p` together, and 0 for the others.

    Of tokens that are as likely as one another those with the lower ids come first. Which of them a sort puts first is
    not ours to say, and of bfloat16's logits many are equal: so a sort only says how far down it goes.
    """
    sorted_RK = p_RV.topk(min(_NUCLEUS, p_RV.shape[-1])).values
    if bool((sorted_RK.sum(-1) < top_p).any()):  # a flat distribution: sorting all of it takes ten times as long
        sorted_RK = p_RV.sort(dim=-1, descending=True).values
    # Those before which there is less than top_p: the first always, and the one with which top_p is reached.
    kept_RK = sorted_RK.cumsum(-1) - sorted_RK < top_p
    least_R1 = sorted_RK.gather(-1, kept_RK.sum(-1, keepdim=True).clamp(min=1) - 1)
    n_least_R1 = (kept_RK & (sorted_RK == least_R1)).sum(-1, keepdim=True)
    least_RV = p_RV == least_R1
    return p_RV * ((p_RV > least_R1) | (least_RV & (least_RV.cumsum(-1) <= n_least_R1)))
