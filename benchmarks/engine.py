"""Tokens a second of the engine of this process, by --batch-tokens, beside transformers' generate, a prompt at a time.

    python benchmarks/engine.py --prompts 32 --new 64

Greedy completions of HumanEval's prompts by a model of random weights (or --model FOLDER). Each way takes its turn in
each round; the figure is the ratio to generate's processor time, the median over the rounds.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import transformers

from codetitan.data.pieces.dialects import DIALECTS
from codetitan.engine import Sampling
from codetitan.engine.local import Local
from codetitan.engine.model import Model, load
from codetitan.evaluate.humaneval import read
from codetitan.hf import tokenizer

Prompts = Sequence[Sequence[int]]


def random_model(folder: Path) -> Path:
    """A Llama of 13M parameters."""
    sentinels = tokenizer.write("code-32k", DIALECTS["starcoder"], folder, seq_len=2048)
    config = transformers.LlamaConfig(
        hidden_size=256, intermediate_size=768, num_hidden_layers=6, num_attention_heads=8, num_key_value_heads=4,
        vocab_size=sentinels.vocab_size, max_position_embeddings=2048, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def by_engine(model: Model, prompts: Prompts, new: int, batch_tokens: int) -> list[list[int]]:
    engine = Local(model, batch_tokens)
    found = dict(engine.complete(prompts, Sampling(max_new_tokens=new)))
    return [found[index][0].ids for index in range(len(prompts))]


def by_generate(model: Model, prompts: Prompts, new: int) -> list[list[int]]:
    found = []
    for prompt in prompts:
        ids = torch.tensor([prompt], device=model.network.device)
        out = model.network.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False,
            eos_token_id=list(model.ends), pad_token_id=0,
        )  # fmt: skip
        written = out[0, len(prompt) :].tolist()
        found.append(written[:-1] if written[-1] in model.ends else written)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, nargs="+", default=[1, 2048, 8192, 32768])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        model = load(options.model or random_model(Path(temporary)))
        records, _ = read()
        prompts = [
            model.prompts.completion(record["prompt"].strip(), options.new) for record in records[: options.prompts]
        ]
        ways: dict[str, Callable[[], list[list[int]]]] = {
            "generate, a prompt at a time": lambda: by_generate(model, prompts, options.new)
        }
        for tokens in options.batch_tokens:
            ways[f"--batch-tokens {tokens:,}"] = lambda tokens=tokens: by_engine(model, prompts, options.new, tokens)
        times: dict[str, list[float]] = {name: [] for name in ways}
        written: dict[str, list[list[int]]] = {}
        for _ in range(options.rounds):
            for name, way in ways.items():
                begun = time.process_time()
                written[name] = way()
                times[name].append(time.process_time() - begun)
        first = next(iter(ways))
        for name, seconds in times.items():
            ratio = statistics.median(a / b for a, b in zip(times[first], seconds, strict=True))
            tokens = sum(map(len, written[name]))
            same = sum(a == b for a, b in zip(written[name], written[first], strict=True))
            print(
                f"{name:>30}  {tokens / statistics.median(seconds):7,.0f} tokens a CPU second  × {ratio:.2f}  "
                f"{same} of {len(prompts)} texts as generate's"
            )


if __name__ == "__main__":
    main()
