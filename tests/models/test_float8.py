"""FP8, emulated on the CPU: which layers, how close, on which meshes, and what a checkpoint knows of it."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.float8 import Float8Config, gains
from codetitan.models.code.float8_linear import Float8Linear, convert, linear_layers
from codetitan.models.code.kernels import Kernels
from codetitan.models.code.model import CodeModel
from codetitan.models.code.rope import RopeConfig
from codetitan.models.code.spec import model_config, model_spec
from codetitan.titan import Linear, TitanFloat8Linear
from tests.conftest import REPOSITORY, losses, metrics, run_train
from tests.models.float8_worker import train_and_look
from tests.parity import mesh

ALL = Float8Config(recipe="tensorwise", emulate=True, skip_small_layers=False)


def config(flavor: str = "debug") -> CodeModel.Config:
    return model_config(FLAVORS[flavor], seed=0)


def linears(model: CodeModel.Config) -> dict[str, Linear.Config]:
    return {name: linear for name, linear, _, _ in model.traverse(Linear.Config)}


# recipe → flavor → the projections that gain, of wo and SwiGLU's three
GAINING = {
    "tensorwise": {
        "debug": "", "20m": "", "70m": "w1 w3", "200m": "w1 w3", "350m": "w1 w3", "700m": "wo w1 w2 w3",
        "1_3b": "wo w1 w2 w3", "3b": "wo w1 w2 w3", "7b": "wo w1 w2 w3", "15b": "wo w1 w2 w3",
    },
    "rowwise": {
        "debug": "", "20m": "", "70m": "", "200m": "", "350m": "", "700m": "",
        "1_3b": "w1 w3", "3b": "wo w1 w2 w3", "7b": "wo w1 w2 w3", "15b": "wo w1 w2 w3",
    },
}  # fmt: skip
GAINING |= dict.fromkeys(["rowwise_with_gw_hp", "mxfp8"], GAINING["rowwise"])


@pytest.mark.parametrize("recipe", GAINING)
def test_which_layers_gain(recipe: str) -> None:
    for flavor, expected in GAINING[recipe].items():
        layers = linear_layers(config(flavor), Float8Config(recipe=recipe))  # type: ignore[arg-type]
        gaining = {name.rsplit(".", 1)[-1] for name, converted in layers.items() if converted}
        assert gaining & {"wo", "w1", "w2", "w3"} == set(expected.split()), flavor


def test_the_rule_is_that_of_torchao() -> None:
    from torchao.float8 import _auto_filter_for_recipe

    sizes = [16, 1000, 1008, 1024, 1040, 2048, 2064, 4096, 4112, 8192]
    for recipe in ("tensorwise", "rowwise"):
        upstream = _auto_filter_for_recipe(recipe, filter_fqns=[])
        for n_in in sizes:
            for n_out in sizes:
                with torch.device("meta"):
                    layer = torch.nn.Linear(n_in, n_out)
                assert gains(n_in, n_out, recipe) == upstream(layer, "layer"), (recipe, n_in, n_out)


def test_everything_but_the_head() -> None:
    before, after = linears(config("7b")), linears(convert(config("7b"), ALL))
    assert list(before) == list(after)
    for name, linear in after.items():
        plain = {field.name: getattr(linear, field.name) for field in dataclasses.fields(before[name])}
        assert plain == {field: getattr(before[name], field) for field in plain}, name
        assert isinstance(linear, Float8Linear.Config) == (name != "lm_head"), name


def test_without_a_recipe_nothing_changes() -> None:
    assert convert(config(), Float8Config()) == config()
    spec = model_spec(
        "debug", FLAVORS["debug"], seed=0, kernels=Kernels(), rope=RopeConfig(), stages=[], float8=Float8Config()
    )
    assert spec.post_optimizer_build_fn is None


def test_widths_that_fp8_can_not_multiply_stay() -> None:
    flavor = dataclasses.replace(FLAVORS["debug"], ffn_dim=360)  # no multiple of 16
    layers = linear_layers(model_config(flavor, seed=0), ALL)
    converted = {name.rsplit(".", 1)[-1] for name, is_float8 in layers.items() if is_float8}
    assert "wo" in converted and not converted & {"w1", "w2", "w3"}


def test_mxfp8_is_upstreams() -> None:
    after = linears(convert(config("1_3b"), Float8Config(recipe="mxfp8")))
    kinds = {name.rsplit(".", 1)[-1]: type(linear).__qualname__ for name, linear in after.items()}
    assert kinds["w1"] == kinds["w3"] == "MXFP8Linear.Config"
    assert kinds["wo"] == kinds["w2"] == kinds["lm_head"] == "Linear.Config"


@pytest.mark.parametrize("recipe", ["tensorwise", "rowwise", "rowwise_with_gw_hp"])
def test_emulated_fp8_is_close_to_linear(recipe: str) -> None:
    """Forward and both gradients within FP8's rounding: e4m3 has a relative step of 2^-3, e5m2 of 2^-2."""
    float8 = Float8Config(recipe=recipe, emulate=True, skip_small_layers=False)  # type: ignore[arg-type]
    linear = linears(convert(config(), float8))["layers.0.feed_forward.w1"].build()
    assert isinstance(linear, TitanFloat8Linear)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 32, 128, generator=generator, requires_grad=True)
    grad = torch.randn(2, 32, 384, generator=generator)
    with torch.no_grad():
        linear.weight.normal_(std=0.02, generator=generator)
    out = linear(x)
    grads = torch.autograd.grad(out, [x, linear.weight], grad)
    expected = x @ linear.weight.T
    expected_grads = torch.autograd.grad(expected, [x, linear.weight], grad)
    for name, ours, exact in zip(("out", "x", "weight"), (out, *grads), (expected, *expected_grads), strict=True):
        error = ((ours - exact).norm() / exact.norm()).item()
        if name == "weight" and recipe == "rowwise_with_gw_hp":
            assert error < 1e-6
        else:
            assert 1e-3 < error < 0.06, (name, error)


# A run of the debug model that saves what a run in FP8 goes on from, and runs in FP8 that do.
SHARED = ["--lr_scheduler.total_steps", "8", "--dataloader.workers", "0", "--metrics.enable_tensorboard", "false"]
FP8 = [*SHARED, "--float8.recipe", "tensorwise", "--float8.emulate", "true", "--float8.skip_small_layers", "false"]


def write(folder: Path) -> Path:
    """The tiny configuration, in a folder that the tests of this module share."""
    from tests.conftest import TINY

    path = folder / "tiny.toml"
    path.write_text(TINY.format(base=REPOSITORY / "train_configs" / "debug.toml", dump_folder=folder / "fp32"))
    return path


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """The configuration file, and the losses of seven steps in fp32 on one process, with checkpoints at 3 and 6."""
    tiny = write(tmp_path_factory.mktemp("float8"))
    result = run_train(tiny, *SHARED, "--training.steps", "7")
    assert result.returncode == 0, result.stderr
    return tiny, losses(tiny.parent / "fp32")


def go_on(tiny: Path, source: str, step: int, target: str) -> list[str]:
    """Copies a checkpoint of a run to a new run's folder; returns the arguments of that run."""
    name = Path("checkpoint") / f"step-{step}"
    shutil.copytree(tiny.parent / source / name, tiny.parent / target / name)
    return ["--dump_folder", str(tiny.parent / target)]


@pytest.fixture(scope="module")
def one_process(fp32: tuple[Path, list[float]]) -> list[float]:
    """The losses of steps 4 to 6 in FP8 on one process, from the fp32 checkpoint of step 3."""
    tiny, reference = fp32
    result = run_train(tiny, *FP8, *go_on(tiny, "fp32", 3, "one"), "--training.steps", "6")
    assert result.returncode == 0, result.stderr
    assert "float8 tensorwise, emulated: 14 of 15 linear layers; lm_head" in result.stdout
    ours = [record["loss"] for record in metrics(tiny.parent / "one")]
    assert all(0 < abs(a - b) < 1e-2 for a, b in zip(ours, reference[3:6], strict=True))
    return ours


def test_fsdp_gathers_fp8_with_the_scales_of_the_step(fp32: tuple[Path, list[float]], one_process: list[float]) -> None:
    """From an fp32 checkpoint, on two processes; and an fp32 run goes on from what that saved."""
    tiny, reference = fp32
    arguments = [str(tiny), *FP8, *go_on(tiny, "fp32", 3, "fsdp"), "--training.steps", "6"]
    mesh.start(tiny.parent / "ranks", 2, arguments, function=train_and_look)
    logs = [(tiny.parent / "ranks" / f"rank-{rank}.out").read_text() for rank in range(2)]
    assert all("checked 14 weights\n" in log for log in logs)
    ours = [record["loss"] for record in metrics(tiny.parent / "fsdp")]
    assert ours == pytest.approx(one_process, rel=1e-4)

    result = run_train(tiny, *SHARED, *go_on(tiny, "fsdp", 6, "back"), "--training.steps", "7")
    assert result.returncode == 0, result.stderr
    (back,) = metrics(tiny.parent / "back")
    assert (back["step"], back["loss"]) == (7, pytest.approx(reference[6], abs=1e-2))


def test_tensor_parallel(fp32: tuple[Path, list[float]], one_process: list[float]) -> None:
    """A rank scales its own part of a weight and of an activation, so the rounding differs from one process's."""
    tiny, _ = fp32
    arguments = [*go_on(tiny, "fp32", 3, "tp"), "--training.steps", "6", "--parallelism.tensor_parallel_degree", "2"]
    result = run_train(tiny, *FP8, *arguments, nproc=2)
    assert result.returncode == 0, result.stderr
    assert [record["loss"] for record in metrics(tiny.parent / "tp")] == pytest.approx(one_process, rel=1e-3)
