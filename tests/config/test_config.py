"""Precedence, inheritance, components by name, and the printed configuration that can be run again."""

from dataclasses import replace
from pathlib import Path

import pytest
import tomli

from codetitan.config.degrees import tensor_parallel_degrees
from codetitan.config.load import Setting, load
from codetitan.config.notes import beginning, notes
from codetitan.config.render import dump, of_command_line, render
from codetitan.config.resolve import Resolved, resolve
from codetitan.data.sources.open import Directory, PythonStdlib
from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.published import PUBLISHED
from codetitan.models.code.shape import Flavor
from codetitan.titan import ChunkedLossWrapper, CrossEntropyLoss, FullAC, SelectiveAC
from tests.conftest import REPOSITORY, new_codetitan


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / f"{name}.toml").write_text(content)
    return folder / "run.toml"


def resolved(folder: Path, *overrides: str, world_size: int = 1, **files: str) -> Resolved:
    return resolve(write(folder, **files), ["--dataloader.sources", "python-stdlib", *overrides], world_size=world_size)


def test_precedence(tmp_path: Path) -> None:
    """Command line > file > what it extends > default, key by key."""
    run = write(
        tmp_path,
        base="[training]\nsteps = 1\nseq_len = 64\nmax_norm = 2.0\n[optimizer]\nlr = 1.0",
        middle='extends = "base.toml"\n[training]\nsteps = 2\nseq_len = 128',
        run='extends = "middle.toml"\n[training]\nsteps = 3',
    )
    tree = load(run, ["--training.steps", "4"])
    training = tree["training"]
    assert isinstance(training, dict)
    values = {key: (s.value, Path(s.origin).name) for key, s in training.items() if isinstance(s, Setting)}
    assert values == {
        "steps": ("4", "command line"),
        "seq_len": (128, "middle.toml"),
        "max_norm": (2.0, "base.toml"),
    }


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("[training]\nsteps = 5", encoding="utf-8-sig")
    assert resolved(tmp_path, run=(tmp_path / "run.toml").read_text()).config.training.steps == 5


def test_extends_is_relative_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "base.toml").write_text("[training]\nsteps = 5")
    (tmp_path / "run.toml").write_text('extends = "a/base.toml"')
    assert load(tmp_path / "run.toml")["training"] == {"steps": Setting(5, str(tmp_path / "a" / "base.toml"), 0)}


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [(["--training.steps", "7"], 7), (["--training.steps=7"], 7), (["--training.steps", "1_000"], 1000)],
)
def test_forms_of_an_override(tmp_path: Path, arguments: list[str], steps: int) -> None:
    assert resolved(tmp_path, *arguments, run="").config.training.steps == steps


def test_types_from_the_command_line(tmp_path: Path) -> None:
    config = resolved(
        tmp_path, "--compile.enable", "--optimizer.betas", "[0.8, 0.9]", "--optimizer.lr", "1",
        "--lr_scheduler.decay-ratio", "none", "--checkpoint.exclude_from_loading", "dataloader,optimizer",
        "--checkpoint.load_step", "-1", run="[lr_scheduler]\ndecay_ratio = 0.5",
    ).config  # fmt: skip
    assert config.compile.enable is True
    assert config.optimizer.betas == [0.8, 0.9] and type(config.optimizer.lr) is float
    assert resolved(
        tmp_path, "--optimizer.betas.1", "0.7", run="[optimizer]\nbetas = [0.8, 0.9]"
    ).config.optimizer.betas == [
        0.8,
        0.7,
    ]
    assert config.lr_scheduler.decay_ratio is None
    assert config.checkpoint.exclude_from_loading == ["dataloader", "optimizer"]


def test_components_by_name(tmp_path: Path) -> None:
    config = resolved(tmp_path, run="").config
    assert type(config.activation_checkpoint) is SelectiveAC.Config and type(config.loss) is ChunkedLossWrapper.Config
    config = resolved(tmp_path, run='[activation_checkpoint]\nname = "full"\n[loss]\nname = "cross-entropy"').config
    assert type(config.activation_checkpoint) is FullAC.Config and type(config.loss) is CrossEntropyLoss.Config
    assert resolved(tmp_path, "--activation_checkpoint.name", "none", run="").config.activation_checkpoint is None


def test_another_component_drops_the_options_of_the_one_below(tmp_path: Path) -> None:
    base = '[activation_checkpoint]\nname = "selective"\nforce_recompute_mm_shapes_by_fqns = ["w1"]'
    run = 'extends = "base.toml"\n[activation_checkpoint]\nname = "full"'
    assert type(resolved(tmp_path, base=base, run=run).config.activation_checkpoint) is FullAC.Config


def test_sources(tmp_path: Path) -> None:
    run = write(
        tmp_path,
        run='[[dataloader.sources]]\ntype = "directory"\npath = "a"\ninclude = ["*.rs"]\n'
        '[[dataloader.sources]]\ntype = "python-stdlib"',
    )
    sources = resolve(run, [], world_size=1).config.dataloader.sources
    assert sources == [Directory(path="a", include=["*.rs"]), PythonStdlib()]
    changed = resolve(run, ["--dataloader.sources.0.path", "b"], world_size=1)
    assert changed.config.dataloader.sources == [Directory(path="b", include=["*.rs"]), PythonStdlib()]
    lines = {" ".join(line.split()) for line in render(changed).splitlines()}
    assert {'path = "b" # command line', f'include = ["*.rs"] # {run}'} <= lines
    sources = resolve(
        run, ["--dataloader.sources", "directory:c,python-stdlib"], world_size=1
    ).config.dataloader.sources
    assert sources == [Directory(path="c"), PythonStdlib()]


def test_the_recipe() -> None:
    config = resolve(REPOSITORY / "train_configs" / "code_350m.toml", [], world_size=8).config
    assert config.training.global_batch_size * config.training.seq_len == 2**19  # 0.5M tokens
    optimizer, schedule = config.optimizer, config.lr_scheduler
    assert (optimizer.name, optimizer.betas, optimizer.weight_decay) == ("AdamW", [0.9, 0.95], 0.1)
    assert (schedule.warmup_ratio, schedule.decay_type, schedule.min_lr_factor) == (0.02, "cosine", 0.1)
    assert (config.training.mixed_precision_param, config.training.max_norm) == ("bfloat16", 1.0)


def shape_of(*options: str, world_size: int = 1) -> Flavor:
    debug = REPOSITORY / "train_configs" / "debug.toml"
    return resolve(debug, options, world_size=world_size, here=False).config.model.shape()


def test_keys_of_a_block_change_a_flavor() -> None:
    starcoder2 = ("--model.flavor", "starcoder2-3b")
    assert shape_of(*starcoder2) == FLAVORS["starcoder2-3b"]
    without = shape_of(*starcoder2, "--model.sliding_window", "0", "--model.mlp_bias", "false")
    assert without == replace(FLAVORS["starcoder2-3b"], sliding_window=None, mlp_bias=False)


def test_a_width_of_heads_that_is_usual_is_none_of_its_own() -> None:
    assert shape_of("--model.head_dim", "32") == FLAVORS["debug"]
    assert shape_of("--model.head_dim", "64").head_width == 64
    assert shape_of("--model.flavor", "qwen3-0.6b", "--model.dim", "2048").head_dim is None


def test_a_window_that_cuts_nothing_off_fits_every_kernel() -> None:
    for window in ("256", "0"):
        shape_of("--model.sliding_window", window, "--model.attention", "sdpa")


def test_llama_3s_factor_does_not_bound_the_context() -> None:
    """Llama 3.1 has a factor of 8 over 8,192 and 131,072 positions; so an imported one goes on at its own length."""
    words = {"scaling": "llama3", "factor": "2", "original_seq_len": "64"}
    assert shape_of(*(word for key, value in words.items() for word in (f"--model.rope.{key}", value)))


def test_heads_split_whatever_their_width() -> None:
    """Qwen3-0.6B's 16 heads of 128 are wider than the model; more ranks than its 8 K/V heads have a copy of one."""
    assert shape_of("--model.flavor", "qwen3-0.6b", "--parallelism.tensor_parallel_degree", "16", world_size=16)


def test_which_published_models_split_over_eight_ranks() -> None:
    """docs/parallelism.md has the table."""
    degrees = {name: tensor_parallel_degrees(shape) for name, shape in PUBLISHED.items()}
    assert {name: fitting for name, fitting in degrees.items() if 8 not in fitting} == {
        "qwen2.5-coder-0.5b": [1, 2],
        "qwen2.5-coder-1.5b": [1, 2, 4],
        "qwen2.5-coder-7b": [1, 2, 4],
        "starcoder2-7b": [1, 2, 4, 12],
        "smollm2-135m": [1, 3],
    }


def test_blocks_are_printed_and_read_again(tmp_path: Path) -> None:
    debug = REPOSITORY / "train_configs" / "debug.toml"
    words = ["--model.flavor", "starcoder2-3b", "--model.sliding_window", "0", "--model.norm", "rmsnorm"]
    one = resolve(debug, words, world_size=1, here=False)
    lines = {" ".join(line.split()) for line in render(one).splitlines()}
    assert {'# mlp = "gelu" # of the flavor', "sliding_window = 0 # command line"} <= lines
    (tmp_path / "again.toml").write_text(render(one))
    assert resolve(tmp_path / "again.toml", [], world_size=1, here=False).config.model == one.config.model


def test_codetitan_config_prints_origins(tmp_path: Path) -> None:
    run = write(tmp_path, base="[training]\nseq_len = 64", run='extends = "base.toml"\n[debug]\nseed = 3')
    result = new_codetitan(
        "config", "--config", str(run), "--training.steps", "9", "--dataloader.sources", "python-stdlib", cwd=tmp_path
    )
    assert result.returncode == 0 and result.stderr == ""
    lines = {" ".join(line.split()) for line in result.stdout.splitlines()}
    assert {
        "seq_len = 64 # base.toml",
        "seed = 3 # run.toml",
        "steps = 9 # command line",
        "max_norm = 1.0 # default",
        'type = "python-stdlib" # command line',
        '# warmup_steps = "none" # default',
        "# n_layers = 4 # of the flavor",
        "global_batch_size = 8 # codetitan: local_batch_size · data-parallel degree",
    } <= lines
    assert tomli.loads(result.stdout)["training"]["steps"] == 9


@pytest.mark.parametrize(
    ("overrides", "here", "why_not"),
    [
        ([], True, "there is no GPU"),
        (["--parallelism.pipeline_parallel_degree", "2"], False, "a pipeline's step is no one graph"),
        (
            ["--float8.recipe", "tensorwise", "--float8.emulate", "true", "--float8.skip_small_layers", "false"],
            False,
            "the scales of gathered FP8 weights are new tensors after each step",
        ),
        (["--model.attention", "varlen"], False, "varlen needs the longest document's length on the CPU"),
        ([], False, None),
    ],
)
def test_cuda_graphs_are_off_with_a_reason_where_they_can_not_be(
    overrides: list[str], here: bool, why_not: str | None
) -> None:
    debug = REPOSITORY / "train_configs" / "debug.toml"
    world_size = 2 if "--parallelism.pipeline_parallel_degree" in overrides else 1
    asked = resolve(debug, ["--training.disable_cuda_graphs", "false", *overrides], world_size=world_size, here=here)
    assert asked.config.training.disable_cuda_graphs == (why_not is not None)
    assert asked.adapted.get("training.disable_cuda_graphs") == (f"codetitan: {why_not}" if why_not else None)
    assert "training.disable_cuda_graphs" not in resolve(debug, overrides, world_size=world_size, here=here).adapted


def test_the_rope_factor_is_what_the_sequence_asks() -> None:
    file = REPOSITORY / "train_configs" / "code_7b_64gpu_16k.toml"
    config = resolve(file, [], world_size=64, here=False).config
    rope = config.model_spec.model.layers[0].attention.rope
    assert (rope.scaling, rope.rope_factor, rope.original_seq_len) == ("yarn", 4.0, 4096)


@pytest.mark.parametrize(
    ("tokens", "steps"),
    [("7B", 13352), ("400M", 763), ("1.5T", 2861023), ("524288", 1), ("524_289", 2), ("1e6", 2), ("7b", 13352)],
)
def test_tokens_in_place_of_steps(tokens: str, steps: int) -> None:
    """The later of both holds, here over the file's steps; steps are rounded up."""
    recipe = REPOSITORY / "train_configs" / "code_350m.toml"
    one = resolve(recipe, ["--training.tokens", tokens], world_size=8, here=False)
    assert one.config.training.steps == steps
    lines = {" ".join(line.split()) for line in render(one).splitlines()}
    assert f"# steps = {steps} # codetitan: training.tokens / (global batch · seq_len), rounded up" in lines
    assert f'tokens = "{tokens}" # command line' in lines


def test_tokens_of_a_file(tmp_path: Path) -> None:
    """What is printed can be run again, with another batch too; steps on the command line hold over a file's tokens."""
    file = write(tmp_path, run="[training]\ntokens = 1_000_000\nseq_len = 100\n[loss]\nname = 'cross-entropy'")
    one = resolve(file, [], world_size=1)
    assert one.config.training.steps == 1250
    (tmp_path / "again.toml").write_text(render(one))
    assert resolve(tmp_path / "again.toml", [], world_size=1).config == one.config
    more = resolve(tmp_path / "again.toml", ["--training.global_batch_size", "16"], world_size=1)
    assert more.config.training.steps == 625
    assert resolve(file, ["--training.steps", "7"], world_size=1).config.training.steps == 7
    assert resolve(file, ["--training.tokens", "none"], world_size=1).config.training.tokens is None


def test_home_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / ".metadata").touch()
    config = resolved(
        tmp_path, "--dump_folder", "~/out", "--checkpoint.initial_load_path", "~/there", "--checkpoint.enable", run=""
    ).config
    assert config.dump_folder == str(tmp_path / "out")
    assert config.checkpoint.initial_load_path == str(tmp_path / "there")


def test_what_the_command_line_set_as_a_file(tmp_path: Path) -> None:
    """Values have their types, a list of tables is whole; over the file it gives the same configuration."""
    run = write(tmp_path, run='[[dataloader.sources]]\ntype = "directory"\npath = "a"\n[training]\nsteps = 3')
    options = [
        "--dataloader.sources.0.path", "b", "--dataloader.sources.0.languages.python", "2", "--model.rope.theta", "5e5",
        "--dump_folder", "17", "--training.seq_len=64", "--loss.name", "cross-entropy", "--compile.components", "loss",
    ]  # fmt: skip
    one = resolve(run, options, world_size=1)
    tables = of_command_line(one)
    assert tables["dump_folder"] == "17" and tables["training"] == {"seq_len": 64}
    assert [source["path"] for source in tables["dataloader"]["sources"]] == ["b"]
    (tmp_path / "again.toml").write_text("\n".join(['extends = "run.toml"', *dump(tables)]))
    assert resolve(tmp_path / "again.toml", [], world_size=1).config == one.config


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("", ["no checkpoint is saved: checkpoint.enable is false by default"]),
        ("[checkpoint]\nenable = false", []),
        ("[checkpoint]\nenable = true\nload_only = true", ["no checkpoint is saved: checkpoint.load_only = true"]),
        ('extends = "base.toml"', []),
        ('extends = "base.toml"\n[lr_scheduler]\nwarmup_steps = 200\n[training]\nsteps = 100',
         ["lr_scheduler.warmup_steps = 200 are all of the 100 steps"]),
        ('extends = "base.toml"\n[lr_scheduler]\nwarmup_steps = 200\ntotal_steps = 1000\n[training]\nsteps = 100', []),
        ('extends = "base.toml"\n[lr_scheduler]\nwarmup_ratio = 0.6\ndecay_ratio = 0.5\n[training]\nsteps = 100',
         ["lr_scheduler: 60 steps of warm-up leave 40 of the 100"]),
    ],
)  # fmt: skip
def test_notes_on_what_may_not_be_meant(tmp_path: Path, run: str, said: list[str]) -> None:
    found = notes(resolved(tmp_path, "--dump_folder", str(tmp_path / "out"), run=run))
    assert [line[: len(start)] for line, start in zip(found, said, strict=True)] == said


def test_what_a_run_begins_with(tmp_path: Path) -> None:
    """Also where the checkpoint that is named is not what it begins with."""
    for step in ("out/checkpoint/step-25", "other/step-7"):
        (tmp_path / step).mkdir(parents=True)
    (tmp_path / "other" / "step-7" / ".metadata").touch()
    options = ["--dump_folder", str(tmp_path / "out"), "--checkpoint.enable"]
    named = [*options, "--checkpoint.initial_load_path", str(tmp_path / "other" / "step-7")]
    assert beginning(resolved(tmp_path, *options, run="")) == "initial values of seed 0"
    assert beginning(resolved(tmp_path, *named, run="")) == f"weights of {tmp_path}/other/step-7"
    whole = [*named, "--checkpoint.initial_load_model_only", "false"]
    taken = beginning(resolved(tmp_path, *whole, "--checkpoint.exclude_from_loading", "dataloader", run=""))
    assert taken == f"weights, optimizer of {tmp_path}/other/step-7"
    (tmp_path / "out" / "checkpoint" / "step-25" / ".metadata").touch()
    assert beginning(resolved(tmp_path, *named, run="")) is None
    assert "is not read: the run goes on from its own step 25" in notes(resolved(tmp_path, *named, run=""))[0]
