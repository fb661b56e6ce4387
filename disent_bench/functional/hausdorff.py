"""Hausdorff distance of a batch of codes to its own factorised support (Roth et al., HFS, ICLR 2023)."""

import torch
from torch import Tensor

from disent_bench.host import is_recorded

# Elements of the largest intermediate tensor; pairs of latents beyond it are treated in turn.
_LARGEST_CHUNK = 2**23


def sample_latent_pairs(num_latents: int, num_pairs: int, generator: torch.Generator | None = None) -> Tensor:
    """Distinct pairs ``i < j`` of latents in random order, shape ``(min(num_pairs, all), 2)``, where they are drawn.

    The authors' code draws 25 of the 45 pairs of ten latents at every step.

    Raises:
        ValueError: fewer than two latents, or no pairs asked for.
    """
    if num_latents < 2:
        raise ValueError(f"num_latents must be at least 2 to have a pair, not {num_latents}")
    if num_pairs < 1:
        raise ValueError(f"num_pairs must be at least 1, not {num_pairs}")
    device = generator.device if generator is not None else torch.device("cpu")
    pairs = torch.triu_indices(num_latents, num_latents, 1, device=device).T
    return pairs[torch.randperm(len(pairs), generator=generator, device=device)[:num_pairs]]


@torch.no_grad()
def _farthest_recombinations(codes: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each pair, the rows that give the farthest recombination its two coordinates, and the row nearest to it."""
    n = len(codes)
    gaps = (codes.T.unsqueeze(2) - codes.T.unsqueeze(1)).square()
    found = []
    for chunk in pairs.split(max(1, _LARGEST_CHUNK // n**3)):
        of_first, of_second = gaps[chunk[:, 0]], gaps[chunk[:, 1]]
        # The places of all n^2 minima would take four times as long as their values; one a pair is looked for.
        farthest = (of_first.unsqueeze(2) + of_second.unsqueeze(1)).amin(dim=3).flatten(1).argmax(1)
        each, first, second = torch.arange(len(chunk), device=codes.device), farthest // n, farthest % n
        found.append(torch.stack((first, second, (of_first[each, first] + of_second[each, second]).argmin(1))))
    first, second, nearest_row = torch.cat(found, dim=1)
    return first, second, nearest_row


def hausdorff_factorised_support(codes: Tensor, pairs: Tensor) -> Tensor:
    """One-sided Hausdorff distance from the factorised to the actual support, summed over pairs of latents.

    For latents (i, j) the factorised support of a batch is all n^2 recombinations ``(z_ai, z_bj)``. The term is
    ``sum over pairs of max over (a, b) of min over c of (z_ai - z_ci)^2 + (z_bj - z_cj)^2``: squared distances, as in
    the authors' code. The rows that attain it are found without gradient; the gradient is that of the value at them,
    and reaches the recombined points as well as their neighbours.

    Args:
        codes: posterior means, shape ``(n, d)``.
        pairs: latents to pair, integers of shape ``(p, 2)``; see :func:`sample_latent_pairs`.

    Returns:
        Scalar, in squared units of the codes; zero if the batch is a grid in every pair.

    Raises:
        ValueError: codes or pairs of another shape, or a latent that does not exist.
    """
    if codes.ndim != 2 or len(codes) == 0:
        raise ValueError(f"codes must have shape (n, d) with n >= 1, not {tuple(codes.shape)}")
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.is_floating_point():
        raise ValueError(f"pairs must be integers of shape (p, 2), not {pairs.dtype} of shape {tuple(pairs.shape)}")
    if not is_recorded() and len(pairs) and (int(pairs.min()) < 0 or int(pairs.max()) >= codes.shape[1]):
        raise ValueError(f"pairs must name latents from 0 to {codes.shape[1] - 1}")
    if len(pairs) == 0:
        return 0 * codes.sum()
    pairs = pairs.to(codes.device)
    first, second, nearest = _farthest_recombinations(codes.detach(), pairs)
    i, j = pairs.T
    return ((codes[first, i] - codes[nearest, i]).square() + (codes[second, j] - codes[nearest, j]).square()).sum()
