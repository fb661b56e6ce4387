"""The GPU kernel against the CPU loop, step for step; without a GPU interpreted, and compiled but not run."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from disent_bench.functional.costs import cost_matrix
from disent_bench.functional.gromov_wasserstein import entropic_gromov_wasserstein, gromov_monge_gap
from disent_bench.functional.mirror_descent import descend

triton = pytest.importorskip("triton")

from disent_bench.functional.mirror_descent_triton import descend_triton  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def cloud(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def centred_costs(n: int, d: int, seed: int) -> Tensor:
    costs = cost_matrix(cloud(n, d, seed), "sqeuclidean")
    return (costs - costs.mean()) / costs.mean()


def both(n: int, m: int, epsilon: float, steps: int) -> tuple[Tensor, bool, Tensor, bool]:
    """Plan and flag of the CPU, then of the kernel."""
    cost_x, cost_y = centred_costs(n, 3, 0).nan_to_num(), centred_costs(m, 2, 1).nan_to_num()
    start = torch.rand(n, m, generator=torch.Generator().manual_seed(2)) + 0.1
    start /= start.sum()
    arrays = [t.numpy().copy() for t in (cost_x, cost_y, start)]
    plan, done = descend(*arrays, np.array([epsilon]), np.array([steps]), 4e-6, 1000)
    tensors = [t.to(DEVICE) for t in (cost_x, cost_y, start)]
    ours, flag = descend_triton(*tensors, (epsilon,), ((steps,),), 4e-6, 1000, 1.0)
    return torch.from_numpy(plan), done, ours.cpu(), bool(flag)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 2), (5, 8), (16, 16), (33, 20), (64, 64)])
@pytest.mark.parametrize("steps", [1, 4])
def test_plans_after_few_steps_equal_those_of_the_cpu(n: int, m: int, steps: int) -> None:
    plan, _, ours, _ = both(n, m, 0.6, steps)
    torch.testing.assert_close(ours, plan, rtol=0, atol=1e-5 / max(n, m))


@pytest.mark.parametrize(("steps", "enough"), [(25, True), (16, False)])
def test_jumps_lead_to_convergence_as_on_the_cpu(steps: int, enough: bool) -> None:
    """The CPU needs 21 steps, and would need 34 without jumps."""
    plan, done, ours, flag = both(20, 20, 0.8, steps)
    assert done == enough
    assert flag == enough
    torch.testing.assert_close(ours, plan, rtol=0, atol=1e-5 / 20)


def test_each_problem_has_its_own_start_and_steps() -> None:
    cost_x, cost_y = centred_costs(12, 3, 0), centred_costs(12, 2, 1)
    starts = torch.stack((torch.eye(12) / 12, torch.full((12, 12), 1 / 144)))
    epsilons, steps = (1.0, 0.4), ((0, 3), (2, 3))
    plans, _ = descend_triton(
        cost_x.to(DEVICE), cost_y.to(DEVICE), starts.to(DEVICE), epsilons, steps, 4e-6, 1000, torch.tensor(2.0)
    )
    for plan, start, budget in zip(plans.cpu(), starts, steps, strict=True):
        arrays = [t.numpy().copy() for t in (cost_x, cost_y, start)]
        alone, _ = descend(*arrays, 2 * np.array(epsilons), np.array(budget), 4e-6, 1000)
        torch.testing.assert_close(plan, torch.from_numpy(alone), rtol=0, atol=1e-6)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-3, 1e6])
def test_extreme_epsilon_gives_a_coupling_and_no_nan(epsilon: float) -> None:
    x = cloud(10, 3, 0)
    x[0] += 30
    costs = [cost_matrix(z, "sqeuclidean").to(DEVICE) for z in (x, cloud(10, 3, 1))]
    result = entropic_gromov_wasserstein(*costs, epsilon=epsilon, solver="triton", max_iter=2)
    assert (result.plan >= 0).all()
    for axis in (0, 1):
        torch.testing.assert_close(result.plan.sum(axis).cpu(), torch.full((10,), 0.1, dtype=torch.float64))
    assert result.value.isfinite()


@pytest.mark.parametrize("cost", ["cosine", "sqeuclidean"])
def test_gap_and_gradient_equal_those_of_the_cpu(cost: str) -> None:
    x, y = cloud(16, 4, 0), cloud(16, 3, 1).requires_grad_()
    gap = gromov_monge_gap(x, y, cost=cost)
    assert gap > 0
    ours = gromov_monge_gap(x.to(DEVICE), y.to(DEVICE), cost=cost, solver="triton").cpu()
    torch.testing.assert_close(ours, gap, rtol=1e-3, atol=0)
    gradients = [torch.autograd.grad(value, y)[0] for value in (ours, gap)]
    torch.testing.assert_close(*gradients, rtol=1e-2, atol=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    costs = torch.zeros(65, 65, device=DEVICE)
    with pytest.raises(ValueError, match="at most 64 points, not 65; 'native' takes more"):
        entropic_gromov_wasserstein(costs, costs, epsilon=1.0, solver="triton")
    costs = torch.zeros(3, 3, device=DEVICE, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"takes costs in float32, not torch\.float64"):
        entropic_gromov_wasserstein(costs, costs, epsilon=1.0, solver="triton")


def test_costs_on_the_host_are_refused_outside_the_interpreter() -> None:
    with triton.knobs.runtime.scope():
        triton.knobs.runtime.interpret = False
        with pytest.raises(ValueError, match="needs costs on a GPU, not on cpu"):
            entropic_gromov_wasserstein(torch.zeros(3, 3), torch.zeros(3, 3), epsilon=1.0, solver="triton")


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from disent_bench.functional.mirror_descent_triton import _descend

signature = dict.fromkeys(_descend.arg_names, "*fp32")
signature |= dict.fromkeys(("steps", "converged"), "*i32") | {"stages": "i32", "inner_iter": "i32", "tol": "fp32"}
sizes = {"n": SIZE, "m": SIZE, "rows": BLOCK, "columns": BLOCK}
signature |= dict.fromkeys(sizes, "constexpr")
source = ASTSource(fn=_descend, signature=signature, constexprs=sizes)
compiled = triton.compile(source, target=GPUTarget("cuda", ARCH, 32), options={"num_warps": WARPS})
assert len(compiled.asm["cubin"]) > 10_000
loops = [line.partition(" -> ")[0] for line in compiled.asm["ttir"].splitlines() if "scf.while" in line]
assert max(loop.count(", f32") for loop in loops) == 3, "a change is lost between two rounds of the loop"
"""


@pytest.mark.parametrize(("size", "block", "warps"), [(12, 16, 4), (64, 64, 8)])
@pytest.mark.parametrize("arch", [75, 80, 90])
def test_kernel_compiles_for_gpus(arch: int, size: int, block: int, warps: int, tmp_path: str) -> None:
    """Triton's compiler needs no GPU; the interpreter accepts programs that it does not."""
    script = COMPILE
    for name, value in (("SIZE", size), ("BLOCK", block), ("ARCH", arch), ("WARPS", warps)):
        script = script.replace(name, str(value))
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path), "TRITON_INTERPRET": "0"}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
