import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from disent_metrics import UnsupervisedDisentanglementRanking
from disent_metrics.functional import unsupervised_disentanglement_ranking
from sklearn.linear_model import Lasso
from sklearn.preprocessing import scale

WIDTHS = (4, 3, 5)


def models(rows=300):
    """Three models of different width and type; the last latent of the last one is noise."""
    generator = torch.manual_seed(0)
    latents = torch.randn(rows, 4, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))[0]
    noise = torch.randn(rows, 1, generator=generator, dtype=torch.float64)
    return [latents, (-latents.flip(1)[:, :3]).float(), torch.cat([latents @ turn, noise], dim=1)]


def batches(sizes=(100, 40, 160)):
    return list(zip(*(model.split(sizes) for model in models()), strict=True))


def fed(portions, **settings):
    metric = UnsupervisedDisentanglementRanking(**settings)
    for portion in portions:
        metric.update(portion)
    return metric


def ranking(metric):
    return metric.compute()["udr"].tolist()


@pytest.mark.parametrize("relation", ["lasso", "spearman"])
def test_class_equals_function(relation):
    metric = fed(batches(), relation=relation)
    expected = unsupervised_disentanglement_ranking(models(), relation=relation)
    assert ranking(metric) == pytest.approx(expected, abs=1e-6)
    assert len(set(expected.round(3))) == len(WIDTHS)  # the order of the models matters


def test_one_tensor_for_all_models():
    whole = torch.stack([models()[0], models()[0].flip(1), models()[2][:, :4]])
    metric = fed(whole.split(75, dim=1))
    assert ranking(metric) == pytest.approx(unsupervised_disentanglement_ranking(whole.numpy()), abs=1e-6)


def test_kl_is_averaged_over_images():
    """The noise latent is above the threshold in the small batch and in the mean of batches, not over images."""
    kl = [torch.ones(width) for width in WIDTHS]
    metric = UnsupervisedDisentanglementRanking(kl_threshold=0.5)
    for portion, noise in zip(batches(), (0.1, 2.0, 0.1), strict=True):
        metric.update(portion, kl=[*kl[:2], [1.0, 1.0, 1.0, 1.0, noise]])
    without = [*models()[:2], models()[2][:, :4]]
    assert ranking(metric) == pytest.approx(unsupervised_disentanglement_ranking(without), abs=1e-6)
    assert ranking(metric) != pytest.approx(unsupervised_disentanglement_ranking(models()), abs=1e-3)


def test_class_equals_function_with_kl():
    kl = [np.ones(4), np.ones(3), np.array([1.0, 0.002, 1.0, 1.0, 0.005])]
    metric = UnsupervisedDisentanglementRanking()
    for portion in batches():
        metric.update(portion, kl=kl)
    assert ranking(metric) == pytest.approx(unsupervised_disentanglement_ranking(models(), kl=kl), abs=1e-6)


def test_merged_pickled_and_reset():
    first, *others = batches()
    whole, part = fed([first, *others]), fed([first])
    merged = pickle.loads(pickle.dumps(fed(others)))
    merged.merge_state(part)
    assert ranking(merged) == pytest.approx(ranking(whole))
    whole.reset()
    for portion in batches():
        whole.update(portion, kl=[torch.ones(width) for width in WIDTHS])
    assert ranking(whole) == pytest.approx(ranking(merged))


def test_forward_scores_the_batch_and_collects_it():
    metric = UnsupervisedDisentanglementRanking()
    values = [metric(portion)["udr"].tolist() for portion in batches()]
    assert values[2] == pytest.approx(ranking(fed(batches()[2:])))
    assert ranking(metric) == pytest.approx(ranking(fed(batches())))


def test_direction_and_bounds():
    """The bound is that of a sum of Lasso coefficients, which two nearly collinear latents attain."""
    metric = UnsupervisedDisentanglementRanking()
    assert metric.higher_is_better is True
    low, high = metric.bounds["udr"]
    target, other = np.random.default_rng(0).normal(size=(2, 5000))
    sums = []
    for share in np.linspace(0.1, 0.5, 17):
        latents = scale(np.column_stack([other + share * target, other - share * target]))
        sums.append(np.abs(Lasso(alpha=0.1).fit(latents, scale(target)).coef_).sum())
        assert low <= unsupervised_disentanglement_ranking([latents, target[:, None]]).max() <= high
    assert 0.99 * high < max(sums) <= high


@pytest.mark.parametrize(
    ("codes", "kl", "message"),
    [
        (models()[:1], None, "at least two models"),
        ([torch.ones(5, 2), torch.ones(6, 2)], None, "one row per image"),
        (torch.ones(3, 5), None, r"each \(n, d\)"),
        (models(), [[1.0]], "one number per latent"),
        (models(), [torch.ones(1, width) for width in WIDTHS], "one number per latent"),
    ],
)
def test_update_refuses(codes, kl, message):
    with pytest.raises(ValueError, match=message):
        UnsupervisedDisentanglementRanking().update(codes, kl=kl)


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_compute_refuses():
    with pytest.raises(ValueError, match="has seen no codes"):
        UnsupervisedDisentanglementRanking().compute()
    with pytest.raises(ValueError, match=r"widths \[\(3, 4\), \(4, 3\)\]"):
        fed([models()[:2], models()[1::-1]]).compute()
    mixed = fed(batches()[:1])
    mixed.update(batches()[1], kl=[torch.ones(width) for width in WIDTHS])
    with pytest.raises(ValueError, match="kl came with 40 of 140 images"):
        mixed.compute()
    with pytest.raises(ValueError, match="unknown relation 'laso'"):
        fed(batches(), relation="laso").compute()


RANK = """
import sys, torch, disent_metrics
rank, store = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=2)
grid = torch.cartesian_prod(torch.arange(8.0), torch.arange(9.0))[rank::2]
metric = disent_metrics.UnsupervisedDisentanglementRanking(relation="spearman")
for rows in grid.split((20, 16)):
    metric.update([rows, torch.cat([rows.flip(1), rows[:, :1] - rows[:, 1:]], dim=1)], **KL)
print(metric.compute()["udr"].tolist())
"""


@pytest.mark.slow
@pytest.mark.parametrize("kl", [None, [[1.0, 1.0], [1.0, 1.0, 0.0]]])
def test_two_processes_see_all_images(tmp_path, kl):
    code = RANK.replace("**KL", f"kl={kl}")
    commands = [[sys.executable, "-c", code, str(rank), str(tmp_path / "store")] for rank in range(2)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    values = [process.communicate(timeout=120)[0] for process in processes]
    rows = torch.cartesian_prod(torch.arange(8.0), torch.arange(9.0))
    codes = [rows, torch.cat([rows.flip(1), rows[:, :1] - rows[:, 1:]], dim=1)]
    expected = unsupervised_disentanglement_ranking(codes, kl=kl, relation="spearman")
    for value in values:
        assert [float(number) for number in value.strip(" []\n").split(",")] == pytest.approx(expected, abs=1e-6)
