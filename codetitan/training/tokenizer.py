"""The tokenizer in the form that torchtitan's trainer builds."""

from dataclasses import dataclass

from codetitan.titan import BaseTokenizer
from codetitan.tokenizer.code_tokenizer import CodeTokenizer


class TrainerTokenizer(CodeTokenizer, BaseTokenizer):
    """`CodeTokenizer` with torchtitan's interface."""

    @dataclass(kw_only=True, slots=True)
    class Config(CodeTokenizer.Config, BaseTokenizer.Config):
        pass

    def __init__(self, config: Config, *, tokenizer_path: str) -> None:
        BaseTokenizer.__init__(self)  # it sets eos_id to None, so it comes first
        CodeTokenizer.__init__(self, config, tokenizer_path=tokenizer_path)
