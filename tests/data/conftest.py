import pytest

from codetitan.tokenizer.code_tokenizer import CodeTokenizer


@pytest.fixture(scope="session")
def tokenizer() -> CodeTokenizer:
    return CodeTokenizer(CodeTokenizer.Config(), tokenizer_path="code-32k")
