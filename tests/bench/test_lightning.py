"""What plain Lightning expects of the scores and modules of this package."""

import lightning
import pytest
import torch
from disent_metrics import DCI, SAP, FactorizedSupport, MutualInformationGap
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MetricCollection

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
