import numpy as np
import pytest
from disent_metrics.functional import unsupervised_disentanglement_ranking as udr
from scipy.stats import spearmanr
from sklearn.linear_model import Lasso
from sklearn.preprocessing import StandardScaler


def models(count=3, rows=500, width=4):
    latents = np.random.default_rng(0).normal(size=(rows, width))
    turns = (np.linalg.qr(np.random.default_rng(i).normal(size=(width, width)))[0] for i in range(count))
    return [latents[:, ::-1] * 3.0 + 1.0, -latents, *(latents @ turn for turn in turns)]


def reference(codes, relation):
    """Loops over ordered pairs and latents."""
    scaled = [StandardScaler().fit_transform(model) for model in codes]
    pairs = np.zeros((len(codes), len(codes)))
    for i, a in enumerate(scaled):
        for j, b in enumerate(scaled):
            if relation == "lasso":
                table = np.abs(Lasso(alpha=0.1).fit(a, b).coef_.T)
            else:
                table = np.abs([[spearmanr(x, y)[0] for y in b.T] for x in a.T])
            with np.errstate(invalid="ignore"):
                down, across = table.max(axis=0) ** 2 / table.sum(axis=0), table.max(axis=1) ** 2 / table.sum(axis=1)
            pairs[i, j] = (np.nan_to_num(down).mean() + np.nan_to_num(across).mean()) / 2
    return [np.median(np.delete(pairs[:, i], i)) for i in range(len(codes))]


@pytest.mark.parametrize("relation", ["lasso", "spearman"])
def test_equals_loops(relation):
    assert udr(models(), relation=relation) == pytest.approx(reference(models(), relation), abs=1e-6)


@pytest.mark.parametrize("relation", ["lasso", "spearman"])
def test_aligned_models_rank_above_rotated_ones(relation):
    ranking = udr([*models(1), models()[0] * [1, -1, 2, 1]], relation=relation)
    assert ranking.argmin() == 2
    assert min(ranking[[0, 1, 3]]) > 0.8


def test_uninformative_latents_are_left_out():
    first, second, third = (np.column_stack([model, np.zeros(500)]) for model in models(1))
    assert udr([first, second, third]) == pytest.approx(udr(models(1)))
    rounded = [np.column_stack([model, np.full(500, 0.1)]).astype(np.float32) for model in models(1)]
    assert udr(rounded) == pytest.approx(udr(models(1)), abs=1e-5)  # the float32 deviation of equal numbers is not 0
    noisy = [np.column_stack([model, np.random.default_rng(i).normal(size=500)]) for i, model in enumerate(models(1))]
    kl = [[1.0, 1.0, 1.0, 1.0, 0.001]] * 3
    assert udr(noisy, kl=kl) == pytest.approx(udr(models(1)))
    assert (udr(noisy) < udr(models(1))).all()
    assert udr([np.zeros((500, 2)), first, second])[0] == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codes": models()[:1]}, "at least two models"),
        ({"codes": [np.ones((5, 2)), np.ones((6, 2))]}, "at least two models"),
        ({"codes": models(), "relation": "laso"}, "unknown relation 'laso', did you mean 'lasso'"),
        ({"codes": models(), "kl": [[1.0]]}, "one number per latent"),
        ({"codes": [np.full((5, 2), np.nan), np.ones((5, 2))]}, r"codes\[0\] holds NaN"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        udr(**arguments)
