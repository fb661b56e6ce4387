"""What plain Lightning expects of the scores and modules of this package."""

import csv
import itertools
import json
import types

import lightning
import pytest
import torch
from disent_datasets import DisentDataModule
from disent_metrics import DCI, SAP, FactorizedSupport, MutualInformationGap
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MetricCollection

from disent_bench import plots
from disent_bench.cli.main import main
from disent_bench.config.method import is_module
from disent_bench.config.resolve import resolve
from disent_bench.module import DisentModule
from disent_bench.registry import METHODS
from disent_bench.runs import loggers
from disent_bench.runs.model import build_module
from disent_bench.runs.train import run

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
    assert loaded.hparams == module.hparams
    assert loaded.objective.settings() == module.objective.settings()
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


class Placed:
    """What a data module or a module asks of the trainer of one rank."""

    def __init__(self, rank=0, world=1, precision="32-true"):
        self.global_rank, self.world_size, self.precision = rank, world, precision
        self.strategy = types.SimpleNamespace(root_device=torch.device("cpu"))


@pytest.mark.parametrize(
    ("trainer", "line"), [(Placed(world=2), "one device, not 2"), (Placed(precision="16-mixed"), "precision")]
)
def test_what_a_step_of_several_players_cannot_do_is_refused(trainer, line):
    module = module_of("beta_vae")
    module._trainer = trainer
    with pytest.raises(MisconfigurationException, match=f"a DisentModule .*{line}"):
        module.setup("fit")


@pytest.mark.filterwarnings("ignore")
def test_a_trainers_own_precision_is_refused_as_it_starts():
    trainer = lightning.Trainer(max_steps=1, logger=False, enable_checkpointing=False, precision="bf16-mixed", **FAST)
    with pytest.raises(MisconfigurationException, match="a DisentModule chooses its precision"):
        trainer.fit(module_of("beta_vae"), datamodule=data_of())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("given", [{"gradient_clip_val": 1.0}, {"accumulate_grad_batches": 2}])
def test_what_lightning_leaves_to_a_step_of_several_players_is_refused(given):
    trainer = lightning.Trainer(max_steps=1, logger=False, enable_checkpointing=False, **given, **FAST)
    with pytest.raises(MisconfigurationException, match="manual optimization"):
        trainer.fit(module_of("beta_vae"), datamodule=data_of(num_batches=4))


def test_batches_carry_factors_and_validation_is_always_the_same():
    data = data_of(num_batches=3, validation_images=48)
    batch = next(iter(data.train_dataloader()))
    assert torch.equal(batch.factors, torch.from_numpy(data.grid.factors(batch.indices)))
    loader = data.val_dataloader()
    first, again = ([batch.indices for batch in loader] for _ in range(2))
    assert len(first) == 3
    assert all(map(torch.equal, first, again))
    other = [batch.indices for batch in data_of(seed=5, validation_images=48).val_dataloader()]
    assert all(map(torch.equal, first, other))


def test_two_ranks_share_the_stream_and_see_different_images():
    def seen(number, **place):
        data = data_of(validation_images=64)
        data.trainer = Placed(**place)
        batches = itertools.islice(data.train_dataloader(), number)
        return [batch.indices.tolist() for batch in batches], [b.indices.tolist() for b in data.val_dataloader()]

    (alone, validated), first, second = seen(4), seen(2, rank=0, world=2), seen(2, rank=1, world=2)
    assert [first[0], second[0]] == [alone[0::2], alone[1::2]]
    assert [first[1], second[1]] == [validated[0::2], validated[1::2]]


@pytest.fixture
def tiny(data_dir):
    """Run a short run with some loggers; what it said and where its folder is."""

    def start(runs, steps=4, **given):
        said = []
        short = {"steps": steps, "batch_size": 8, "log_every": 2, "latent_dim": 3, "evaluate_every": 2, "precision": 32}
        scores = {"scores.scores": ["mig"], "scores.num_train": 300, "scores.num_test": 100}
        config = resolve("vae", "toy_grid", "quick", overrides={**short, **scores, "evaluate_during": ["mig"]})
        outcome = run(config, 0, runs=runs, data_dir=data_dir, say=said.append, **given)
        assert outcome.status == "done", outcome.reason
        return outcome.folder, said

    return start


def test_tensorboard_has_readable_names_and_hyperparameters_with_final_scores(tiny, tmp_path):
    folder, _ = tiny(tmp_path)
    (events,) = (folder / "tensorboard").iterdir()
    assert events.name.startswith("vae ")
    assert events.name.endswith("seed 0")
    assert "steps=4" in events.name
    accumulator = EventAccumulator(str(events))
    accumulator.Reload()
    (final,) = accumulator.Scalars("final/mig")
    assert final.value == pytest.approx(json.loads((folder / "result.json").read_text())["scores"]["mig"])
    assert len(accumulator.Scalars("loss")) == 2
    content = accumulator.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    started = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert started["method"].string_value == "vae"
    assert started["latent_dim"].number_value == 3
    assert started["terms.kl.weight"].number_value == 1


def test_a_run_that_goes_on_from_a_shorter_one_shows_its_own_settings(tiny, tmp_path):
    tiny(tmp_path)
    folder, said = tiny(tmp_path, steps=6)
    assert any("starting from step 4" in line for line in said)
    accumulator = EventAccumulator(str(next((folder / "tensorboard").iterdir())))
    accumulator.Reload()
    assert [event.step for event in accumulator.Scalars("loss")] == [2, 4, 6]
    content = accumulator.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    started = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert started["steps"].number_value == 6
    assert [event.step for event in accumulator.Scalars("final/mig")] == [6]


def test_a_table_of_the_logged_values_can_be_asked_for(tiny, tmp_path):
    folder, _ = tiny(tmp_path, loggers=["csv"])
    assert not (folder / "tensorboard").exists()
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["0", "2", "4"]
    assert float(rows[2]["loss"]) > 0
    assert float(rows[2]["scores/mig"]) == json.loads((folder / "result.json").read_text())["scores"]["mig"]


def test_what_is_only_for_looking_costs_no_run_its_scores(tiny, tmp_path, monkeypatch):
    def failing(*args, **kwargs):
        raise OSError("no space")

    monkeypatch.setattr(TensorBoardLogger, "log_metrics", failing)
    monkeypatch.setattr(plots, "traversals", failing)
    folder, said = tiny(tmp_path)
    assert "mig" in json.loads((folder / "result.json").read_text())["scores"]
    assert sum("TensorBoardLogger failed and is left out: no space" in line for line in said) == 1
    assert any("no picture" in line for line in said)


def test_the_command_line_takes_loggers(data_dir, tmp_path, capsys):
    words = ["run", "--method", "vae", "--dataset", "toy_grid", "--runs", str(tmp_path), "--data-dir", str(data_dir)]
    short = ["--set", "steps=2", "batch_size=8", "evaluate_every=0", "scores.scores=[mig]", "evaluate_during=[mig]"]
    few = ["scores.num_train=300", "scores.num_test=100"]
    assert main([*words, "--logger", "csv", "--logger", "tensorboard", *short, *few]) == 0
    (table,) = tmp_path.rglob("metrics.csv")
    assert (table.parent / "tensorboard").exists()
    assert main([*words, "--logger", "cvs", *short]) == 2
    assert "logger is one of tensorboard, csv, wandb, mlflow, not 'cvs'" in capsys.readouterr().err


def test_a_logger_that_fails_at_its_start_is_left_out(tiny, tmp_path, monkeypatch):
    def failing(*args, **kwargs):
        raise ImportError("half installed")

    monkeypatch.setattr(loggers, "WandbLogger", type("Half", (WandbLogger,), {"__init__": failing}))
    monkeypatch.setattr(loggers.CsvLogger, "log_hyperparams", failing)
    monkeypatch.setattr(loggers, "find_spec", lambda name: name)
    monkeypatch.setattr(loggers, "import_module", lambda name: types.SimpleNamespace(finish=lambda: None))
    folder, said = tiny(tmp_path, loggers=["csv", "wandb"])
    assert "mig" in json.loads((folder / "result.json").read_text())["scores"]
    assert sum("half installed" in line for line in said) == 2
    assert not (folder / "metrics.csv").exists()


def test_a_logger_whose_package_is_missing_is_said_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"logger wandb needs the package wandb: pip install 'disent-bench\[wandb\]'"):
        loggers.check_loggers(["csv", "wandb"])
