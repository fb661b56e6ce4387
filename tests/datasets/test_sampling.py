from __future__ import annotations

import itertools

import numpy as np
import pytest
from disent_datasets import BatchStream, FactorGrid, FactorSpace
from disent_datasets.sampling.stream import Independent

SPACE = FactorSpace(("a", "b"), (10, 12))


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    stream = BatchStream(SPACE, 64, seed=3)
    in_order = [indices.first for indices in itertools.islice(stream, 20)]
    for t in (19, 0, 7):
        np.testing.assert_array_equal(BatchStream(SPACE, 64, seed=3).step(t).first, in_order[t])
    resumed = itertools.islice(BatchStream(SPACE, 64, seed=3, start=12), 8)
    np.testing.assert_array_equal([indices.first for indices in resumed], in_order[12:])
    assert len({batch.tobytes() for batch in in_order}) == 20
    assert not np.array_equal(BatchStream(SPACE, 64, seed=4).step(0).first, in_order[0])


def test_a_second_batch_leaves_the_first_alone_and_differs_from_it() -> None:
    alone, both = BatchStream(SPACE, 64, seed=0), BatchStream(SPACE, 64, seed=0, second=True)
    assert alone.step(5).second is None
    np.testing.assert_array_equal(alone.step(5).first, both.step(5).first)
    everything = [batch.tobytes() for t in range(50) for batch in both.step(t)]
    assert len(set(everything)) == 100


def test_uniform_over_steps_and_pairs_of_batches_are_independent() -> None:
    steps = [BatchStream(SPACE, 500, seed=0, second=True).step(t) for t in range(48)]
    first = np.concatenate([step.first for step in steps])
    second = np.concatenate([step.second for step in steps])
    counts = np.bincount(first, minlength=120)
    assert ((counts - 200) ** 2 / 200).sum() < 173.6  # 99.9 % point, 119 degrees of freedom
    joint = np.bincount(first // 12 * 10 + second // 12, minlength=100)
    assert ((joint - 240) ** 2 / 240).sum() < 148.2  # 99.9 % point, 99 degrees of freedom


def test_the_streams_that_results_were_made_with() -> None:
    """Changing these numbers makes all earlier runs incomparable: they fix which images a seed sees."""
    space = FactorSpace(("shape", "scale", "orientation", "posX", "posY"), (3, 6, 40, 32, 32))
    step = BatchStream(space, 3, seed=7, second=True).step(2**33 + 1)
    assert step.first.tolist() == [734783, 120632, 228112]
    assert step.second.tolist() == [72294, 330572, 705254]


def test_takes_a_grid_and_another_sampler() -> None:
    grid = FactorGrid(np.zeros((120, 2, 2, 1), np.uint8), SPACE, name="test", source="memory")
    np.testing.assert_array_equal(
        BatchStream(grid, 8, seed=0).step(1).first, BatchStream(SPACE, 8, seed=0).step(1).first
    )

    def even(generator: np.random.Generator, batch_size: int) -> np.ndarray:
        return 2 * generator.integers(60, size=batch_size)

    step = BatchStream(grid, 100, seed=0, second=True, sampler=Independent(even)).step(0)
    assert not (step.first % 2).any()
    assert not np.array_equal(step.first, step.second)


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("seed", -1), ("start", -1), ("seed", 2**64)])
def test_refuses(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        BatchStream(SPACE, **{"batch_size": 4, "seed": 0} | {name: value})
