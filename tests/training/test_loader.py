"""Batches for a GPU, which is pretended: pinned in the loader's thread, a step ahead, copied without waiting."""

import threading
from typing import Any

import pytest
import torch

from codetitan.data.rows import loader as rows_loader
from codetitan.data.sources.open import PythonStdlib
from codetitan.titan import IGNORE_INDEX
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from codetitan.training.loader import Pinned, TrainerDataLoader, pinned

GPU = torch.device("cuda", 3)


@pytest.fixture(scope="module")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer(CodeTokenizer.Config(), tokenizer_path="code-32k")


def loader(tokenizer: CodeTokenizer, **options: Any) -> TrainerDataLoader:
    config = TrainerDataLoader.Config(sources=[PythonStdlib(max_documents=20)], rows=12, **options)
    return TrainerDataLoader(
        config, dp_world_size=1, dp_rank=0, tokenizer=tokenizer, seq_len=64, local_batch_size=2
    )  # fmt: skip


def test_a_pinned_tensor_is_copied_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    original = torch.Tensor.to

    def to(self: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        asked.append((args, kwargs))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", to)
    labels = pinned(torch.tensor([[1, IGNORE_INDEX, 3]]))
    copied = labels.to(torch.device("meta"))
    assert asked == [((torch.device("meta"),), {"non_blocking": True})]
    assert type(copied) is torch.Tensor and copied.device.type == "meta"
    # As torchtitan counts the tokens of a microbatch.
    count = torch.tensor(0)
    count += (labels != IGNORE_INDEX).sum()
    assert type(count) is torch.Tensor and int(count) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_pinned_for_the_ranks_gpu(
    tokenizer: CodeTokenizer, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    plain = next(iter(loader(tokenizer, workers=0)))
    empty, devices, pins = torch.empty, [], []

    def pinning(*args: Any, pin_memory: bool, **kwargs: Any) -> torch.Tensor:
        pins.append((pin_memory, threading.current_thread().name))
        return empty(*args, **kwargs)

    monkeypatch.setattr(rows_loader.torch, "empty", pinning)
    monkeypatch.setattr(torch.cuda, "set_device", lambda gpu: devices.append((gpu, threading.current_thread().name)))
    loaded = loader(tokenizer, workers=workers)
    loaded.place(None, GPU)
    inputs, labels = next(iter(loaded))
    thread = "data" if workers else "MainThread"
    assert devices == [(GPU, thread)] and set(pins) == {(True, thread)}
    assert type(labels) is Pinned and all(type(tensor) is Pinned for tensor in inputs.values())
    assert torch.equal(labels, plain[1]) and all(torch.equal(inputs[name], plain[0][name]) for name in plain[0])


@pytest.mark.parametrize(
    ("device", "options"), [(torch.device("cpu"), {}), (GPU, {"pin_memory": False})], ids=["a CPU", "switched off"]
)
def test_nothing_is_pinned(tokenizer: CodeTokenizer, device: torch.device, options: dict[str, Any]) -> None:
    loaded = loader(tokenizer, **options)
    loaded.place(None, device)
    inputs, labels = next(iter(loaded))
    assert type(labels) is torch.Tensor and not labels.is_pinned() and type(inputs["input"]) is torch.Tensor


@pytest.mark.parametrize(("prefetch", "ahead"), [(1, 6), (4, 6), (9, 9)])
def test_a_steps_microbatches_are_ahead(
    tokenizer: CodeTokenizer, monkeypatch: pytest.MonkeyPatch, prefetch: int, ahead: int
) -> None:
    asked = []

    def in_background(items: Any, n: int) -> Any:
        asked.append(n)
        return items

    monkeypatch.setattr(rows_loader, "in_background", in_background)
    next(iter(loader(tokenizer, prefetch=prefetch)))
    assert asked == [ahead]
