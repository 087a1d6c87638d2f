"""What a run on a GPU asks of the machine; the GPU is pretended."""

import sysconfig
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from codetitan import device
from codetitan.config import machine
from codetitan.errors import ConfigError
from codetitan.training.sections import ModelConfig
from codetitan.training.trainer import CodeTrainer


@pytest.fixture
def hopper(monkeypatch: pytest.MonkeyPatch) -> None:
    """An H100, as far as the rules ask."""
    monkeypatch.setattr(device, "device_type", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100 80GB HBM3")


def config(attention: str) -> Any:
    """What `check_attention` reads."""
    return SimpleNamespace(
        model=ModelConfig(attention=attention),
        training=CodeTrainer.Config().training,
        compile=CodeTrainer.Config().compile,
    )


def packages(monkeypatch: pytest.MonkeyPatch, *there: str) -> None:
    """Only these modules can be imported."""

    def find_spec(name: str) -> object | None:
        if "." in name and name.split(".")[0] not in there:
            raise ModuleNotFoundError(name)
        return object() if name in there else None

    monkeypatch.setattr(machine, "find_spec", find_spec)


@pytest.mark.parametrize("there", [(), ("flash_attn",)], ids=["nothing", "FlashAttention 2"])
def test_flex_flash_needs_flash_attention_4(
    hopper: None, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...]
) -> None:
    packages(monkeypatch, *there)
    with pytest.raises(ConfigError) as error:
        machine.check_attention(config("flex_flash"))
    assert str(error.value) == (
        'model.attention = "flex_flash" needs the module flash_attn.cute on this GPU; install FlashAttention 4 (pip '
        'install --pre "flash-attn-4[cu13]"), or use "flex"'
    )


def test_the_kernels_that_are_there_may_be_used(hopper: None, monkeypatch: pytest.MonkeyPatch) -> None:
    packages(monkeypatch, "flash_attn", "flash_attn.cute")
    machine.check_attention(config("flex_flash"))
    with pytest.raises(
        ConfigError, match="needs the module flash_attn_interface on this GPU; install FlashAttention 3"
    ):
        machine.check_attention(config("varlen"))
    packages(monkeypatch, "flash_attn_interface")
    machine.check_attention(config("varlen"))


def test_a_package_of_another_torch_is_no_kernel(hopper: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> object:
        raise ImportError("flash_attn_2_cuda.so: undefined symbol: _ZN3c105ErrorC2E")

    monkeypatch.setattr(machine, "find_spec", find_spec)
    with pytest.raises(ConfigError, match=r"needs the module flash_attn\.cute on this GPU"):
        machine.check_attention(config("flex_flash"))


def test_triton_needs_headers_and_a_compiler(hopper: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    with pytest.raises(
        ConfigError, match=r"Python\.h: no such file; Triton needs Python's headers.*: install python3-dev"
    ):
        machine.check_compiler(config("flex"))
    (tmp_path / "Python.h").touch()
    machine.check_compiler(config("flex"))
    monkeypatch.setenv("CC", "/gone/cc")  # Triton asks for nothing else then
    with pytest.raises(ConfigError, match=r"^CC = /gone/cc: no such program; Triton needs a C compiler"):
        machine.check_compiler(config("flex"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC")
    with pytest.raises(ConfigError, match=r"^there is no gcc or clang; Triton needs a C compiler"):
        machine.check_compiler(config("flex"))
    machine.check_compiler(config("sdpa"))  # without compile nothing of it is Triton's


def test_a_cpu_needs_neither(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    machine.check_compiler(config("flex"))
