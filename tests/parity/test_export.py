"""One run saved on four meshes exports to the same bytes: of StarCoder2's blocks, which have every kind of tensor."""

from pathlib import Path

from codetitan.hf.export import export
from tests.parity.compare import Bench, as_overrides
from tests.parity.mesh import start
from tests.parity.meshes import ARCHITECTURES, Settings, mesh, pipeline

SAVED_AT, SHAPE = 2, ARCHITECTURES["StarCoder2"]
CHECKPOINTS: Settings = {"checkpoint.enable": True, "checkpoint.interval": SAVED_AT, "training.steps": SAVED_AT}
MESHES: dict[str, tuple[int, Settings]] = {
    "FSDP2·TP2": (4, mesh(fsdp=2, tp=2)),
    "PP2": (2, pipeline("1F1B")),
    "CP2": (2, mesh(cp=2)),
    "FSDP3": (3, mesh(fsdp=3)),
}


def save_again(arguments: list[str]) -> int:
    """A rank: loads the checkpoint of another mesh and saves it from this one."""
    import os

    from codetitan.config.render import render
    from codetitan.config.resolve import resolve

    config, *overrides = arguments
    resolved = resolve(Path(config), overrides, world_size=int(os.environ["WORLD_SIZE"]))
    trainer = resolved.config.build(toml=render(resolved))
    trainer.checkpointer.load()
    trainer.checkpointer.save(SAVED_AT, last_step=True)
    trainer.close()
    return 0


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_exports_are_the_same_bytes(bench: Bench, tmp_path: Path) -> None:
    first = bench.new_folder()
    bench.train(1, SHAPE | CHECKPOINTS, first)
    checkpoint = first / "checkpoint" / f"step-{SAVED_AT}"
    export(checkpoint, tmp_path / "one" / "model")
    expected = contents(tmp_path / "one" / "model")
    files = {}
    for name, (nproc, plan) in MESHES.items():
        folder = bench.new_folder()
        folder.mkdir(parents=True)
        settings = (
            SHAPE
            | plan
            | CHECKPOINTS
            | {
                "checkpoint.initial_load_path": str(checkpoint),
                "checkpoint.initial_load_model_only": False,
            }
        )
        arguments = [str(bench.config), "--dump_folder", str(folder), *as_overrides(settings)]
        start(folder, nproc, arguments, function=save_again)
        saved = folder / "checkpoint" / f"step-{SAVED_AT}"
        files[name] = len(list(saved.glob("*.distcp")))
        export(saved, tmp_path / name / "model")
        found = contents(tmp_path / name / "model")
        assert {file for file in expected if found[file] != expected[file]} == set(), name
        assert found.keys() == expected.keys()
    assert files == {name: nproc for name, (nproc, _) in MESHES.items()}, "not saved from all ranks"
