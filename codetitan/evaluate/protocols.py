"""How a model is asked: what a prompt ends with, what ends a completion, how it is drawn. Data, with its sources.

Protocols move scores more than models do, so results name all of one. A completion is cut at the earliest stop;
sentinels and the model's end tokens end every one, whatever the protocol.

Where ours differs from the harness that a protocol is named after: BigCode's 512 tokens count the prompt, ours do not;
EvalPlus also runs its own sanitizer over completions, which is left out.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A protocol.

    Attributes:
        name: as `--protocol` takes it.
        end: what becomes of the prompt's end: "strip()", or 'strip() + "\\n"'.
        stops: of HumanEval, HumanEval+ and tasks of one's own.
        temperature, top_p: how its pass@k is drawn; None where it is greedy only.
        max_new_tokens: of a completion.
        program: what is run: what was asked and the completion; or the set's prompt, a line end and the completion.
        prelude: runs before each program.
        mbpp: how MBPP is asked: a docstring with the first test (zero-shot), or after three examples; None: not at all.
        mbpp_stops: of MBPP and MBPP+.
    """

    name: str
    end: Literal["strip()", 'strip() + "\\n"']
    stops: tuple[str, ...]
    temperature: float | None
    top_p: float | None
    max_new_tokens: int
    program: Literal["asked", "prompt, line end"]
    prelude: str = ""
    mbpp: Literal["docstring", "three-shot"] | None
    mbpp_stops: tuple[str, ...]

    def asked(self, prompt: str) -> str:
        """Returns what the model is given of a prompt."""
        return prompt.strip() + ("" if self.end == "strip()" else "\n")

    def lead(self, prompt: str) -> str:
        """Returns what stands before a completion in the program that is run."""
        return self.prelude + (self.asked(prompt) if self.program == "asked" else prompt + "\n")


_EVALPLUS_STOPS = ("<|endoftext|>", "<|endofmask|>", "</s>", "\nif __name__", "\ndef main(", "\nprint(")

# DeepSeek's IMPORT_HELPER.
_IMPORTS = """\
import math
import re
import sys
import copy
import datetime
import itertools
import collections
import heapq
import functools
import hashlib
import numpy
import numpy as np
import string
from typing import *
from collections import *
"""

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        # bigcode-evaluation-harness, tasks/humaneval.py and mbpp.py; StarCoder, arXiv 2305.06161 §6.1
        Protocol(
            name="bigcode",
            end="strip()",
            stops=("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\n```", "<file_sep>"),
            temperature=0.2,
            top_p=0.95,
            max_new_tokens=512,
            program="asked",
            mbpp="docstring",
            mbpp_stops=("\nclass", "\nassert", '\n"""', "\nprint", "\nif", "\n<|/", "\n```"),
        ),
        # evalplus 0.3.1, codegen.py and provider/utility.py; Qwen2.5-Coder's base models are scored so
        Protocol(
            name="evalplus",
            end='strip() + "\\n"',
            stops=(*_EVALPLUS_STOPS, "\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert "),
            temperature=None,
            top_p=None,
            max_new_tokens=768,
            program="asked",
            mbpp=None,
            mbpp_stops=(*_EVALPLUS_STOPS, '\n"""', "\nassert"),
        ),
        # DeepSeek-Coder, Evaluation/HumanEval and Evaluation/MBPP
        Protocol(
            name="deepseek",
            end="strip()",
            stops=("\ndef", "\nclass", "\nif", "\n#", "\nprint"),
            temperature=None,
            top_p=None,
            max_new_tokens=500,
            program="prompt, line end",
            prelude=_IMPORTS,
            mbpp="three-shot",
            mbpp_stops=("[DONE]",),
        ),
    )
}
