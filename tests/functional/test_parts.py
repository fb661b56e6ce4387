"""Batches computed in parts: the same numbers as a whole, to the bit on any number of threads."""

from __future__ import annotations

import multiprocessing
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import forward_ad

from disent_bench.parts import FEWEST, MOST, ROWS, in_parts, rows_for, side_by_side

LONG = 2 * ROWS + 5


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    """More threads than the tests have otherwise, and not as many as parts."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()


def of(net: nn.Sequential) -> Callable[[Tensor], Tensor]:
    return lambda rows: in_parts(lambda part: (net(part),), rows, net.parameters())[0]


def batch(rows: int = LONG) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(rows, 3, dtype=torch.float64, requires_grad=True)


@given(rows=st.integers(1, 5 * ROWS), learned=st.booleans(), wanted=st.booleans())
@settings(max_examples=30, deadline=None)
def test_values_and_gradients_are_those_of_the_whole(rows: int, learned: bool, wanted: bool) -> None:
    net, x = network().requires_grad_(learned), batch(rows).detach().requires_grad_(wanted)
    inputs = [*([x] if wanted else []), *(net.parameters() if learned else ())]
    found, expected = of(net)(x), net(x)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    assert found.requires_grad == bool(inputs)
    if inputs:
        pulled = torch.autograd.grad(found.sin().sum(), inputs)
        for mine, whole in zip(pulled, torch.autograd.grad(expected.sin().sum(), inputs), strict=True):
            torch.testing.assert_close(mine, whole, rtol=1e-12, atol=1e-12)


def test_gradients_of_the_first_and_second_order_pass_gradcheck() -> None:
    net, x = network(), batch()
    inputs = (x, *net.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: of(net)(x), inputs)
    assert torch.autograd.gradgradcheck(lambda x, *_: of(net)(x), inputs)


def test_a_graph_that_is_kept_can_be_gone_through_again() -> None:
    net, x = network(), batch()
    loss = of(net)(x).sin().sum()
    first = torch.autograd.grad(loss, [x], retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(loss, [x])[0])


def test_several_results_and_some_that_nobody_reads() -> None:
    net, x = network(), batch()
    hidden, _unread = in_parts(lambda part: (net[0](part), net(part)), x, net.parameters())
    pulled = torch.autograd.grad(hidden.square().sum(), [x, net[0].weight])
    expected = torch.autograd.grad(net[0](x).square().sum(), [x, net[0].weight])
    for mine, whole in zip(pulled, expected, strict=True):
        torch.testing.assert_close(mine, whole)


def test_a_parameter_that_nothing_depends_on_has_no_gradient() -> None:
    net, x = network(), batch()
    hidden = in_parts(lambda part: (net[0](part),), x, net.parameters())[0]
    found = torch.autograd.grad(hidden.sum(), [*net.parameters()], allow_unused=True)
    assert [each is None for each in found] == [False, False, True, True]


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_convolutions_have_the_same_gradients_on_any_number_of_threads(threads: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 32, 4, stride=2, padding=1)
    images = torch.rand(64, 1, 64, 64)

    def gradient() -> Tensor:
        result = in_parts(lambda part: (layer(part),), images, layer.parameters())[0]
        return torch.autograd.grad(result.sin().sum(), [layer.weight])[0]

    here = gradient()
    torch.set_num_threads(threads)
    assert torch.equal(here, gradient())


def test_what_torch_func_and_forward_mode_differentiate() -> None:
    net, x, v = network(), batch().detach(), torch.ones(LONG, 3, dtype=torch.float64)
    for mine, whole in zip(torch.func.jvp(of(net), (x,), (v,)), torch.func.jvp(net, (x,), (v,)), strict=True):
        torch.testing.assert_close(mine, whole)
    torch.testing.assert_close(torch.func.jacrev(of(net))(x), torch.func.jacrev(net)(x))
    with forward_ad.dual_level():
        moved = forward_ad.unpack_dual(of(net)(forward_ad.make_dual(x, v))).tangent
    torch.testing.assert_close(moved, torch.func.jvp(net, (x,), (v,))[1])


def test_parts_are_computed_by_several_threads_one_thread_each() -> None:
    together = threading.Barrier(3, timeout=20)  # passed by three at once or not at all

    def work(_: int) -> tuple[str, int]:
        together.wait()
        return threading.current_thread().name, torch.get_num_threads()

    seen = side_by_side(work, range(3))
    assert len({name for name, _ in seen}) == 3
    assert {number for _, number in seen} == {1}
    assert torch.get_num_threads() == 3, "the calling thread keeps its own"


@pytest.mark.parametrize("how", ["backward", "grad", "grad that has gradients"])
@pytest.mark.parametrize("asked", ["a", "b", "rows", "a rows", "a b rows"])
def test_only_gradients_that_are_asked_for_are_computed(asked: str, how: str) -> None:
    computed: set[str] = set()
    leaves = {name: torch.randn(3, requires_grad=True) for name in ("a", "b")}
    leaves["rows"] = torch.randn(40, 3, requires_grad=True)

    def noted(name: str, value: Tensor) -> Tensor:
        value = value * 1
        value.register_hook(lambda gradient: computed.add(name))  # type: ignore[arg-type]
        return value

    def compute(rows: Tensor) -> tuple[Tensor]:
        return (noted("a", leaves["a"]) * noted("rows", rows) ** 2 + noted("b", leaves["b"]) ** 3,)

    wanted = [leaves[name] for name in asked.split()]
    value = in_parts(compute, leaves["rows"], [leaves["a"], leaves["b"]])[0].sum()
    if how == "backward":
        value.backward(inputs=wanted)
        found = [each.grad for each in wanted]
    else:
        found = list(torch.autograd.grad(value, wanted, create_graph=how != "grad"))
    assert computed == set(asked.split())
    expected = torch.autograd.grad(compute(leaves["rows"])[0].sum(), wanted)
    torch.testing.assert_close([each.detach() for each in found if each is not None], list(expected))


def test_the_batch_of_a_contract_that_looks_at_operations_stays_on_the_calling_thread() -> None:
    """Of other threads a dispatch mode sees nothing (`disent_bench.contracts.methods.on_host_is_said`)."""
    seen: set[threading.Thread] = set()
    weight = torch.ones(1, requires_grad=True)

    def compute(rows: Tensor) -> tuple[Tensor]:
        seen.add(threading.current_thread())
        return (rows * weight,)

    in_parts(compute, torch.ones(2 * FEWEST - 1, 1), [weight])
    assert seen == {threading.current_thread()}
    in_parts(compute, torch.ones(2 * FEWEST, 1), [weight])
    assert len(seen) > 1


def test_no_gradient_within_no_grad_and_within_inference_mode() -> None:
    net, x = network(), batch()
    for off in (torch.no_grad(), torch.inference_mode()):
        with off:
            found = of(net)(x)
        assert not found.requires_grad
        torch.testing.assert_close(found, net(x).detach(), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("rows", "sizes"), [(7, [7]), (8, [4, 4]), (31, [16, 15]), (64, [16] * 4), (1000, [63] * 8 + [62] * 8)]
)
def test_how_a_batch_is_divided_depends_on_its_length_alone(rows: int, sizes: list[int]) -> None:
    net, x, seen = network(), batch(rows), []

    def count(part: Tensor) -> tuple[Tensor]:
        seen.append(len(part))
        return (net(part),)

    for threads in (1, 3):
        torch.set_num_threads(threads)
        in_parts(count, x, net.parameters())
        assert sorted(seen, reverse=True) == sizes
        seen.clear()
    assert len(sizes) <= MOST


def test_larger_images_make_smaller_parts() -> None:
    assert [rows_for(side, side) for side in (32, 64, 128, 256, 1024)] == [16, 16, 4, 1, 1]


def test_an_error_in_a_part_is_raised() -> None:
    net, x = network(), batch()

    def broken(part: Tensor) -> tuple[Tensor]:
        if bool((part == x[-1]).all(dim=1).any()):
            raise ValueError("the last row")
        return (net(part),)

    with pytest.raises(ValueError, match="the last row"):
        in_parts(broken, x, net.parameters())


def test_weights_that_changed_before_the_gradient_are_noticed() -> None:
    net, x = network(), batch()
    loss = of(net)(x).sum()
    with torch.no_grad():
        net[0].weight.mul_(2)
        net[2].weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def _in_child(queue: multiprocessing.Queue[float]) -> None:
    queue.put(float(of(network())(batch()).sum()))


def test_a_forked_process_has_threads_of_its_own() -> None:
    before = float(of(network())(batch()).sum())
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == before
    child.join(60)
    assert child.exitcode == 0


FAULTS = """
import ctypes, resource, sys, torch
from disent_bench.parts import keep_freed_memory
torch.set_num_threads(1)
ctypes.CDLL(None).mallopt(-3, 1 << 17)  # glibc's threshold as it is at first, before it adapts to what was freed
if sys.argv[1:] == ["kept"]:
    keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        several = [torch.ones(1 << 20) for _ in range(12)]
        del several
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_freed_memory_is_kept() -> None:
    def faults(*words: str) -> int:
        told = subprocess.run([sys.executable, "-c", FAULTS, *words], capture_output=True, text=True, check=True)
        return int(told.stdout)

    pages = 10 * 12 * (4 << 20) // 4096
    assert faults("kept") < 0.05 * pages < faults()
