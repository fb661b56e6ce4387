from __future__ import annotations

import functools
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import disent_datasets as dd
import lightning
import numpy as np
import pytest
import torch
from disent_datasets import residence
from disent_datasets.datamodule import Batch, DisentDataModule
from disent_datasets.residence import DeviceGather, HostGather, place


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def first_batches(count: int, data_dir: Path, **settings: Any) -> list[Batch]:
    module = DisentDataModule("toy_grid", data_dir=data_dir, batch_size=8, **settings)
    module.prepare_data()
    module.setup("fit")
    return list(itertools.islice(module.train_dataloader(), count))


def test_batches_are_whole_uint8_channels_last(data_dir: Path) -> None:
    (batch,) = first_batches(1, data_dir)
    assert batch.images.shape == (8, 1, 64, 64)
    assert batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.indices.shape == (8,)
    assert batch.indices.dtype == torch.int64
    assert batch.second is None
    grid = dd.load("toy_grid", data_dir=data_dir)
    expected = grid.images(batch.indices.numpy()).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(batch.images.numpy(), expected)


def test_a_resumed_stream_goes_on_bit_for_bit(data_dir: Path) -> None:
    whole = first_batches(10, data_dir, seed=1, second=True)
    resumed = first_batches(4, data_dir, seed=1, second=True, first_batch=6)
    for a, b in zip(whole[6:], resumed, strict=True):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.indices, b.indices)
        assert torch.equal(a.second, b.second)
    assert not torch.equal(whole[0].second, whole[0].images)
    alone = first_batches(1, data_dir, seed=1)
    assert torch.equal(alone[0].images, whole[0].images)


def test_a_restored_loader_finishes_the_interrupted_pass(data_dir: Path) -> None:
    module = DisentDataModule("toy_grid", data_dir=data_dir, batch_size=8, num_batches=5, first_batch=2)
    whole = [batch.indices for loader in [module.train_dataloader()] for _ in range(2) for batch in loader]
    assert len(whole) == 10
    interrupted, restored = module.train_dataloader(), module.train_dataloader()
    for _ in itertools.islice(interrupted, 3):
        pass
    restored.load_state_dict(interrupted.state_dict())
    rest = [batch.indices for _ in range(2) for batch in restored]
    assert torch.equal(torch.stack(rest), torch.stack(whole[3:]))


@pytest.mark.parametrize("residence", ["host", "device"])
@pytest.mark.parametrize("settings", [{}, {"second": True}, {"sampler": "pairs"}])
def test_a_block_is_the_batches_of_its_steps(residence: str, settings: dict[str, Any], data_dir: Path) -> None:
    common: dict[str, Any] = {"data_dir": data_dir, "batch_size": 8, "num_batches": 6, "first_batch": 3}
    module = DisentDataModule("toy_grid", residence=residence, **common, **settings)
    batches = list(module.train_dataloader())
    module.steps_at_once = 3
    loader = module.train_dataloader()
    blocks = list(loader)
    assert len(loader) == len(blocks) == 2
    for found, batch in zip((each for block in blocks for each in block.steps()), batches, strict=True):
        assert found.images.is_contiguous(memory_format=torch.channels_last)
        assert [each is None for each in found] == [each is None for each in batch]
        assert all(torch.equal(a, b) for a, b in zip(found, batch, strict=True) if a is not None)
    module.steps_at_once = 4
    with pytest.raises(ValueError, match="6 steps are no whole number of blocks of 4"):
        module.train_dataloader()


def test_images_on_a_device_are_shared(data_dir: Path) -> None:
    modules = [DisentDataModule("toy_grid", data_dir=data_dir, residence="device") for _ in range(2)]
    first, second = (module.train_dataloader().gather for module in modules)
    assert first is second


class Recorder(lightning.LightningModule):
    """Trains one number and remembers which images it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[torch.Tensor] = []

    def training_step(self, batch: Batch) -> torch.Tensor:
        assert isinstance(batch, Batch)
        self.seen.append(batch.indices)
        return self.weight * batch.images.float().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer_for(steps: int, folder: Path) -> lightning.Trainer:
    return lightning.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


@pytest.mark.parametrize("num_batches", [None, 3])
def test_under_a_trainer_no_batch_is_lost_or_repeated(data_dir: Path, tmp_path: Path, num_batches: int | None) -> None:
    """Also over several passes of three batches each."""
    module, trainer = Recorder(), trainer_for(7, tmp_path)
    data = DisentDataModule("toy_grid", data_dir=data_dir, batch_size=8, num_batches=num_batches, first_batch=2)
    trainer.fit(module, datamodule=data)
    stream = dd.BatchStream(dd.info("toy_grid").space, 8, seed=0)
    expected = [stream.step(t).first for t in range(2, 9)]
    np.testing.assert_array_equal(torch.stack(module.seen).numpy(), expected)


@pytest.mark.parametrize("num_batches", [None, 3, 20])
def test_a_checkpoint_goes_on_with_the_next_batch(data_dir: Path, tmp_path: Path, num_batches: int | None) -> None:
    def data(first_batch: int) -> DisentDataModule:
        return DisentDataModule(
            "toy_grid", data_dir=data_dir, batch_size=8, num_batches=num_batches, first_batch=first_batch
        )

    before, trainer = Recorder(), trainer_for(5, tmp_path)
    trainer.fit(before, datamodule=data(0))
    trainer.save_checkpoint(tmp_path / "five.ckpt")
    after = Recorder()
    resumed = data(5 if num_batches is None else 0)
    trainer_for(11, tmp_path).fit(after, datamodule=resumed, ckpt_path=tmp_path / "five.ckpt")
    stream = dd.BatchStream(dd.info("toy_grid").space, 8, seed=0)
    expected = [stream.step(t).first for t in range(11)]
    np.testing.assert_array_equal(torch.stack(before.seen + after.seen).numpy(), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_on_the_device_the_same_images(data_dir: Path, channels: int) -> None:
    grid = dd.load("toy_grid", data_dir=data_dir)
    if channels == 3:
        images = np.random.default_rng(0).integers(0, 256, (60, 5, 6, 3)).astype(np.uint8)
        grid = dd.FactorGrid(images, dd.FactorSpace(("a", "b"), (6, 10)), name="colour", source="memory")
    indices = np.random.default_rng(1).integers(len(grid), size=32)
    host, device = (place(grid, where, torch.device("cpu")) for where in ("host", "device"))
    assert isinstance(device, DeviceGather)
    assert torch.equal(host(indices), device(indices))
    assert device(indices).is_contiguous(memory_format=torch.channels_last)
    assert device(indices).dtype == torch.uint8


@pytest.mark.parametrize("packed", [True, False])
def test_copying_to_a_device_shows_a_bar_and_every_image(
    data_dir: Path, packed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = dd.load("toy_grid", data_dir=data_dir)
    if not packed:
        grid = dd.FactorGrid(grid.images(np.arange(4608)), grid.space, name="toy_grid", source="memory")
    monkeypatch.setattr(residence, "COPIED_AT_ONCE", 100_000)
    monkeypatch.setattr(residence, "track", functools.partial(residence.track, patience=-1))
    gather = place(grid, "device", torch.device("cpu"))
    err = " ".join(capsys.readouterr().err.split())
    assert "copying toy_grid to the memory of cpu" in err
    assert "4608/4608" in err
    assert torch.equal(gather(np.arange(4608)), HostGather(grid)(np.arange(4608)))


def test_residence_on_a_cpu_is_the_host(data_dir: Path) -> None:
    grid = dd.load("toy_grid", data_dir=data_dir)
    assert isinstance(place(grid, "auto", torch.device("cpu")), HostGather)
    with pytest.raises(ValueError, match="residence: must be auto, host or device"):
        place(grid, "gpu", torch.device("cpu"))  # type: ignore[arg-type]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_residence_on_a_gpu(data_dir: Path) -> None:
    grid = dd.load("toy_grid", data_dir=data_dir)
    gather = place(grid, "auto", torch.device("cuda"))
    assert isinstance(gather, DeviceGather)
    indices = np.arange(100)
    assert torch.equal(gather(indices).cpu(), HostGather(grid)(indices))


def test_importing_the_package_loads_no_training_code() -> None:
    check = (
        "import sys, disent_datasets as dd; dd.dsprites, dd.load\n"
        "assert not {'torch', 'lightning', 'numba', 'h5py'} & set(sys.modules)\n"
        "from disent_datasets import DisentDataModule, Batch\n"
        "assert 'lightning' in sys.modules\n"
        "assert DisentDataModule.__module__ == 'disent_datasets.datamodule'"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="DisentDataModul'"):
        dd.DisentDataModul  # noqa: B018
