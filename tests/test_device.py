"""A machine with GPUs that torch can't use is said to be one, and does not train on its CPU unasked."""

from pathlib import Path

import pytest
import torch

from codetitan import device, launch
from codetitan.errors import ConfigError

# The first line of /proc/driver/nvidia/version of a real driver.
VERSION = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
TOO_OLD = "The NVIDIA driver on your system is too old (found version 12020). Please update your GPU driver by …"


@pytest.fixture
def old_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A driver's file, and a torch that refuses the driver."""

    def init() -> None:
        raise RuntimeError(TOO_OLD)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)
    file = tmp_path / "version"
    file.write_text(VERSION)
    return file


def refusal(driver: Path, environment: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as error:
        device.check_driver(environment, driver)
    return str(error.value)


@pytest.mark.parametrize("environment", [{}, {"CUDA_VISIBLE_DEVICES": "0"}])
def test_a_driver_that_is_too_old_is_refused(old_driver: Path, environment: dict[str, str]) -> None:
    cuda = torch.version.cuda
    assert refusal(old_driver, environment) == (
        f"this machine has an NVIDIA driver (535.104.05), and torch can't use its GPUs: it is older than the 580 that "
        f"torch {torch.__version__} for CUDA {cuda} needs; update it. To train on the CPU, set CUDA_VISIBLE_DEVICES="
    )


def test_other_reasons_are_torchs_own(old_driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old_driver.write_text(VERSION.replace("535.104.05", "580.65.06"))
    assert "(580.65.06), and torch can't use its GPUs: The NVIDIA driver on your system" in refusal(old_driver, {})
    assert "is CUDA_VISIBLE_DEVICES right?. To train" in refusal(old_driver, {"CUDA_VISIBLE_DEVICES": "1000"})
    monkeypatch.setattr(torch.version, "cuda", None)
    assert f"torch {torch.__version__} is built without CUDA; install a wheel with it" in refusal(old_driver, {})


def test_the_cpu_on_purpose_a_usable_driver_and_no_driver_are_fine(
    old_driver: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hidden in ("", "-1", "NoDevFiles"):
        device.check_driver({"CUDA_VISIBLE_DEVICES": hidden}, old_driver)
    device.check_driver({}, tmp_path / "none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    device.check_driver({}, old_driver)


def test_the_launcher_asks_before_it_starts_anything(
    old_driver: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device.check_driver, "__defaults__", (old_driver,))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert launch.main(["--config", str(tiny)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith("codetitan: error: this machine has an NVIDIA driver (535.104.05)")
