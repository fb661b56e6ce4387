"""What plain Lightning expects of the scores and modules of this package."""

import lightning
import pytest
import torch
from disent_datasets import DisentDataModule
from disent_metrics import DCI, SAP, FactorizedSupport, MutualInformationGap
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MetricCollection

from disent_bench.config.method import is_module
from disent_bench.config.resolve import resolve
from disent_bench.module import DisentModule
from disent_bench.registry import METHODS
from disent_bench.runs.model import build_module

GRID = torch.cartesian_prod(torch.arange(20), torch.arange(20))


class Scored(lightning.LightningModule):
    """Logs a score, a collection of scores of one number, and one with several."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.mig = MutualInformationGap()
        self.simple = MetricCollection([SAP(), FactorizedSupport()], prefix="simple_")
        self.several = MetricCollection([MutualInformationGap(), DCI()], prefix="several_")

    def training_step(self, batch, index):
        return self.layer(batch[0]).sum()

    def validation_step(self, batch, index):
        self.mig(*batch)
        self.log("mig", self.mig, on_step=True, on_epoch=True)
        self.simple(*batch)
        self.log_dict(self.simple)
        self.several(*batch)

    def on_validation_epoch_end(self):
        self.log_dict(self.several.compute())
        self.several.reset()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-3)


@pytest.mark.filterwarnings("ignore")
def test_scores_are_logged_through_a_sanity_check_on_two_small_batches(tmp_path):
    loader = DataLoader(TensorDataset(GRID * 1.0, GRID), 5)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=1, default_root_dir=tmp_path, enable_model_summary=False, **quiet
    )
    trainer.fit(Scored(), loader, loader)
    logged = trainer.callback_metrics
    assert logged["mig_epoch"] == logged["several_MutualInformationGap"] == 1.0
    assert logged["several_dci_disentanglement"] > 0.9
    alone = FactorizedSupport()
    alone.update(GRID * 1.0)
    assert logged["simple_FactorizedSupport"] == alone.compute()
    assert 0 <= logged["simple_SAP"] <= 1


SHAPE = (1, 64, 64)
FAST = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}


def module_of(method="beta_tcvae+topdis", **changes):
    config = resolve(method, "toy_grid", "quick", overrides={"precision": 32, "log_every": 1, **changes})
    return build_module(config, SHAPE, 1000)


def data_of(**given):
    return DisentDataModule("toy_grid", batch_size=16, **given)


@pytest.mark.filterwarnings("ignore")
def test_a_module_trains_in_a_plain_trainer_with_its_callbacks(tmp_path):
    module, data = module_of(), data_of(num_batches=4, validation_images=32)
    best = ModelCheckpoint(tmp_path, monitor="val/reconstruction_mse")
    every = ModelCheckpoint(tmp_path / "steps", monitor="loss", every_n_train_steps=2, save_top_k=-1)
    stopping = EarlyStopping("val/reconstruction_mse", patience=1, min_delta=1e9)
    trainer = lightning.Trainer(
        max_epochs=9, callbacks=[best, every, stopping], logger=CSVLogger(tmp_path), log_every_n_steps=1, **FAST
    )
    trainer.fit(module, datamodule=data)
    assert trainer.current_epoch == 2  # no better by a thousand million in the second epoch
    assert {"loss", "raw/reconstruction", "weighted/kl", "val/reconstruction_mse"} <= trainer.callback_metrics.keys()
    assert len(list((tmp_path / "steps").glob("*.ckpt"))) == 4
    loaded = DisentModule.load_from_checkpoint(best.best_model_path).eval()
    assert loaded.hparams == module.hparams and loaded.objective.settings() == module.objective.settings()
    images = next(iter(data.train_dataloader())).images.float()
    best_state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    module.load_state_dict(best_state)
    assert torch.equal(loaded(images), module.eval().encode(images))


@pytest.mark.parametrize("method", [name for name in METHODS if not is_module(name)])
def test_every_method_loads_from_its_arguments(method, tmp_path):
    config = resolve(method, "toy_grid", "quick", overrides={"precision": 32, "latent_dim": 3})
    module = build_module(config, SHAPE, 1000)
    again = DisentModule(**module.hparams)
    assert again.hparams == module.hparams
    assert [p.name for p in again.players] == [p.name for p in module.players]
    assert {n: v.shape for n, v in again.state_dict().items() if isinstance(v, torch.Tensor)} == {
        n: v.shape for n, v in module.state_dict().items() if isinstance(v, torch.Tensor)
    }


def test_gradients_are_clipped_to_a_norm():
    images, largest = torch.rand(16, *SHAPE), 1e-3
    for clip in (None, largest):
        module = module_of("beta_vae", gradient_clip=clip)
        module.play(module.run_pass(images), module.configure_optimizers())
        norm = torch.stack([p.grad.norm() for p in module.players[0].own_parameters()]).norm()
        assert norm > 1 if clip is None else norm == pytest.approx(largest, rel=1e-3)
    with pytest.raises(ValueError, match="gradient_clip is above 0"):
        module_of("beta_vae", gradient_clip=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("settings", "line"), [({"precision": "16-mixed"}, "precision"), ({"devices": 2, "strategy": "ddp_fork"}, "device")]
)
def test_what_a_step_of_several_players_cannot_do_is_refused(settings, line, tmp_path):
    trainer = lightning.Trainer(max_steps=1, logger=False, enable_checkpointing=False, **FAST, **settings)
    with pytest.raises(Exception, match=f"a DisentModule .*{line}"):
        trainer.fit(module_of("beta_vae"), datamodule=data_of())


def test_batches_carry_factors_and_validation_is_always_the_same():
    data = data_of(num_batches=3, validation_images=48)
    batch = next(iter(data.train_dataloader()))
    assert torch.equal(batch.factors, torch.from_numpy(data.grid.factors(batch.indices)))
    loader = data.val_dataloader()
    first, again = ([batch.indices for batch in loader] for _ in range(2))
    assert len(first) == 3 and all(map(torch.equal, first, again))
    other = [batch.indices for batch in data_of(seed=5, validation_images=48).val_dataloader()]
    assert all(map(torch.equal, first, other))


class Collecting(lightning.LightningModule):
    """Writes which images each rank sees."""

    def __init__(self, folder):
        super().__init__()
        self.layer, self.folder = torch.nn.Linear(64 * 64, 1), folder

    def training_step(self, batch, index):
        with (self.folder / f"rank-{self.global_rank}").open("a") as file:
            file.write(f"{batch.indices.tolist()}\n")
        return self.layer(batch.images.flatten(1)).mean()

    def on_train_end(self):
        torch.save(self.layer.state_dict(), self.folder / f"weights-{self.global_rank}")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-2)


@pytest.mark.filterwarnings("ignore")
def test_two_ranks_see_different_images_and_stay_equal(tmp_path):
    trainer = lightning.Trainer(
        max_steps=2, devices=2, strategy="ddp_fork", logger=False, enable_checkpointing=False, **FAST
    )
    trainer.fit(Collecting(tmp_path), datamodule=data_of())
    seen = [(tmp_path / f"rank-{rank}").read_text().splitlines() for rank in range(2)]
    alone = iter(data_of().train_dataloader())
    stream = [str(next(alone).indices.tolist()) for _ in range(4)]
    assert seen == [stream[0::2], stream[1::2]]
    weights = [torch.load(tmp_path / f"weights-{rank}", weights_only=True)["weight"] for rank in range(2)]
    assert torch.equal(*weights)
