"""Degree-1 persistence pairs of the cone of an inclusion of Vietoris-Rips complexes.

Two weightings ``small <= large`` of one vertex set give an inclusion of Rips complexes, R(large) in R(small).
Its cone adds one apex c: a simplex s of the vertices appears at its ``small`` filtration, the simplex c*s at
the ``large`` filtration of s. The cone has the homotopy type of the doubled complex in which RTD is defined
(Barannikov et al., "Representation Topology Divergence", ICML 2022), hence the same barcode from about an
eighth of its triangles.

The pairs come from persistent cohomology: coboundaries of edges, youngest edge first, are reduced modulo 2 by
their earliest triangle. Three properties of the cone keep this short. Every edge ij starts a class, because
the apex already joins all vertices. An edge whose cone triangle comes with it (``large == small``), or that
is the longest edge of some triangle, is paired with that triangle at length zero, and its column needs no
reduction. And triangles grouped by their longest edge need no sorting: a column is one bit set of opposite
vertices per edge, plus one bit per cone triangle.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

_ONE = np.uint64(1)
_WORD = 64
_BLOCK = np.uint64(64)

_PAIRED_WITH_CONE = 0
_PAIRED_IN_BUCKET = 1
_CRITICAL = 2


@intrinsic
def _lowest_bit(_context: Any, word: types.Type) -> tuple[Any, Any]:
    """Index of the lowest set bit of a non-zero 64-bit word, as one machine instruction."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        count = builder.cttz(args[0], context.get_constant(types.boolean, True))
        return context.cast(builder, count, types.uint64, types.intp)

    return types.intp(word), generate


@njit(cache=True, nogil=True)
def _rank_matrix(num_vertices: int, heads: NDArray, tails: NDArray) -> NDArray:
    """Place of every edge in the order of ``small``; 0 on the diagonal, which then never exceeds another edge.

    Unsigned, as numba need not then look for negative indices.
    """
    rank = np.zeros((num_vertices, num_vertices), dtype=np.uint32)
    for r in range(heads.size):
        rank[heads[r], tails[r]] = r
        rank[tails[r], heads[r]] = r
    return rank


@njit(cache=True, nogil=True)
def _lunes(num_vertices: int, heads: NDArray, tails: NDArray) -> NDArray:
    """For every edge, the vertices joined to both ends by earlier edges, as bits: the triangles it completes."""
    words = 1
    while words * _WORD < num_vertices:
        words *= 2
    neighbours = np.zeros((num_vertices, words), dtype=np.uint64)
    lunes = np.empty((heads.size, words), dtype=np.uint64)
    for r in range(heads.size):
        i, j = heads[r], tails[r]
        for w in range(words):
            lunes[r, w] = neighbours[i, w] & neighbours[j, w]
        neighbours[i, j // _WORD] |= _ONE << np.uint64(j % _WORD)
        neighbours[j, i // _WORD] |= _ONE << np.uint64(i % _WORD)
    return lunes


@njit(cache=True, nogil=True)
def _buckets_before_cones(small_sorted: NDArray, large_sorted: NDArray, cone_last: bool) -> NDArray:
    """How many buckets (edges of ``small``) precede each cone triangle; ``cone_last`` decides equal values."""
    before = np.empty(large_sorted.size, dtype=np.int32)
    count = 0
    for slot in range(large_sorted.size):
        value = large_sorted[slot]
        while count < small_sorted.size and (
            small_sorted[count] < value or (cone_last and small_sorted[count] == value)
        ):
            count += 1
        before[slot] = count
    return before


@njit(cache=True, nogil=True)
def _cones_before_buckets(before: NDArray) -> NDArray:
    after = np.empty(before.size, dtype=np.int32)
    slot = 0
    for bucket in range(before.size):
        while slot < before.size and before[slot] <= bucket:
            slot += 1
        after[bucket] = slot
    return after


@njit(cache=True, nogil=True)
def _kinds(lunes: NDArray, slots: NDArray, before: NDArray) -> NDArray:
    """Which edges are paired at sight, and with what; the others need a reduction."""
    kinds = np.full(slots.size, _CRITICAL, dtype=np.int8)
    for r in range(slots.size):
        if before[slots[r]] <= r:
            kinds[r] = _PAIRED_WITH_CONE
            continue
        for w in range(lunes.shape[1]):
            if lunes[r, w] != 0:
                kinds[r] = _PAIRED_IN_BUCKET
                break
    return kinds


@njit(cache=True, nogil=True)
def _add_coboundary(
    r: int,
    rank: NDArray,
    heads: NDArray,
    tails: NDArray,
    lunes: NDArray,
    slots: NDArray,
    bits: NDArray,
    touched: NDArray,
    cones: NDArray,
) -> None:
    """Add the coboundary of edge ``r`` to a column: ``bits``, its possibly non-zero blocks ``touched``, ``cones``."""
    i, j = heads[r], tails[r]
    words = np.uint64(lunes.shape[1])
    row = np.uint32(r)
    for w in range(words):
        bits[np.uint64(row) * words + w] ^= lunes[row, w]
    touched[np.uint64(row) * words // _BLOCK] = 1
    word_i, bit_i = np.uint64(i // _WORD), _ONE << np.uint64(i % _WORD)
    word_j, bit_j = np.uint64(j // _WORD), _ONE << np.uint64(j % _WORD)
    ranks_i, ranks_j = rank[i], rank[j]
    for k in range(rank.shape[0]):
        to_i, to_j = ranks_i[k], ranks_j[k]
        longest = max(to_i, to_j)
        if longest > row:
            opposite_j = to_i > to_j
            place = np.uint64(longest) * words + (word_j if opposite_j else word_i)
            bits[place] ^= bit_j if opposite_j else bit_i
            touched[place // _BLOCK] = 1
    slot = slots[r]
    cones[slot // _WORD] ^= _ONE << np.uint64(slot % _WORD)


@njit(cache=True, nogil=True)
def _first_word(bits: NDArray, touched: NDArray, start: int) -> int:
    """Place of the first non-zero word from the block of ``start`` on, -1 if none; forgets blocks that cancelled."""
    for block in range(start // 64, touched.size):
        if touched[block]:
            for group in range(block * 64, block * 64 + 64, 8):
                union = np.uint64(0)
                for word in range(group, group + 8):
                    union |= bits[word]
                if union != 0:
                    while bits[group] == 0:
                        group += 1
                    return group
            touched[block] = 0
    return -1


@njit(cache=True, nogil=True)
def _first_cone(cones: NDArray, start: int) -> int:
    for block in range(start, cones.size):
        if cones[block] != 0:
            return block * _WORD + _lowest_bit(cones[block])
    return -1


@njit(cache=True, nogil=True)
def _first_of_lune(lunes: NDArray, row: int) -> int:
    """Lowest vertex in a non-empty bit set."""
    w = 0
    while lunes[row, w] == 0:
        w += 1
    return w * _WORD + _lowest_bit(lunes[row, w])


@njit(cache=True, nogil=True)
def _clear(bits: NDArray, touched: NDArray, start: int) -> None:
    for block in range(start // 64, touched.size):
        if touched[block]:
            bits[block * 64 : block * 64 + 64] = 0
            touched[block] = 0


@njit(cache=True, nogil=True)
def _reduce(
    num_vertices: int,
    heads: NDArray,
    tails: NDArray,
    small_sorted: NDArray,
    large_sorted: NDArray,
    slots: NDArray,
    cone_last: bool,
) -> NDArray:
    """Pairs of positive length as rows ``(birth rank, death rank or slot, death is a cone triangle)``.

    ``heads[r]``, ``tails[r]`` are the ends of the r-th edge in the order of ``small``; ``slots[r]`` is the
    place of that edge in the order of ``large``.
    """
    num_edges = heads.size
    rank = _rank_matrix(num_vertices, heads, tails)
    lunes = _lunes(num_vertices, heads, tails)
    before = _buckets_before_cones(small_sorted, large_sorted, cone_last)
    kinds = _kinds(lunes, slots, before)
    after = _cones_before_buckets(before)
    rank_at = np.empty(num_edges, dtype=np.int32)
    rank_at[slots] = np.arange(num_edges, dtype=np.int32)

    blocks = (num_edges + _WORD - 1) // _WORD
    words = lunes.shape[1]
    touched = np.zeros((num_edges * words + 63) // 64, dtype=np.uint8)
    bits = np.zeros(touched.size * 64, dtype=np.uint64)
    cones = np.zeros(blocks, dtype=np.uint64)

    num_critical = np.sum(kinds == _CRITICAL)
    pairs = np.empty((num_critical, 3), dtype=np.int32)
    num_pairs = 0
    # Reduced columns are kept as the edges they sum; a bucket chains the columns whose pivot lies in it.
    chain_start = np.full(num_edges, -1, dtype=np.int32)
    chain_next = np.empty(num_critical, dtype=np.int32)
    pivot_vertex = np.empty(num_critical, dtype=np.int32)
    cone_owner = np.full(num_edges, -1, dtype=np.int32)
    offsets = np.zeros(num_critical + 1, dtype=np.int64)
    summed = np.empty(4 * num_critical + 1, dtype=np.int32)
    column = 0

    for r in range(num_edges - 1, -1, -1):
        if kinds[r] != _CRITICAL:
            continue
        _add_coboundary(r, rank, heads, tails, lunes, slots, bits, touched, cones)
        place, cone_block = 0, 0
        while True:
            place = _first_word(bits, touched, place)
            bucket = place // words if place >= 0 else -1
            slot = _first_cone(cones, cone_block)
            at_cone = slot >= 0 and (bucket < 0 or before[slot] <= bucket)
            # Pivots only move on: what is added later begins at the pivot that it cancels.
            if at_cone:
                place, cone_block = before[slot] * words, slot // _WORD
            else:
                cone_block = after[bucket] // _WORD
            owner = -1
            if at_cone:
                owner = cone_owner[slot]
            else:
                vertex = place % words * _WORD + _lowest_bit(bits[place])
                if kinds[bucket] == _PAIRED_IN_BUCKET and vertex == _first_of_lune(lunes, bucket):
                    _add_coboundary(bucket, rank, heads, tails, lunes, slots, bits, touched, cones)
                    continue
                owner = chain_start[bucket]
                while owner >= 0 and pivot_vertex[owner] != vertex:
                    owner = chain_next[owner]
            if owner < 0:
                break
            for position in range(offsets[owner], offsets[owner + 1]):
                _add_coboundary(summed[position], rank, heads, tails, lunes, slots, bits, touched, cones)

        if at_cone:
            cone_owner[slot] = column
            death, length = slot, large_sorted[slot] - small_sorted[r]
        else:
            pivot_vertex[column] = vertex
            chain_next[column] = chain_start[bucket]
            chain_start[bucket] = column
            death, length = bucket, small_sorted[bucket] - small_sorted[r]
        if length > 0:
            pairs[num_pairs, 0] = r
            pairs[num_pairs, 1] = death
            pairs[num_pairs, 2] = at_cone
            num_pairs += 1

        # The cone bits of a column are the edges it sums: a cone triangle has no other edge of the
        # filtration.
        end = offsets[column]
        for block in range(cone_block, blocks):
            while cones[block] != 0:
                if end == summed.size:
                    summed = np.concatenate((summed, np.empty_like(summed)))
                summed[end] = rank_at[block * _WORD + _lowest_bit(cones[block])]
                end += 1
                cones[block] &= cones[block] - _ONE
        column += 1
        offsets[column] = end
        _clear(bits, touched, place)
    return pairs[:num_pairs]


@njit(cache=True, nogil=True)
def _break_ties(order: NDArray, values: NDArray) -> None:
    """Sort runs of equal ``values[order]`` by index: repeatable, and it leaves few edges to reduce."""
    start = 0
    while start < order.size:
        end = start + 1
        while end < order.size and values[order[end]] == values[order[start]]:
            end += 1
        if end - start > 1:
            order[start:end] = np.sort(order[start:end])
        start = end


@njit(cache=True, nogil=True)
def cone_pairs(
    num_vertices: int,
    small: NDArray,
    large: NDArray,
    order_small: NDArray,
    order_large: NDArray,
    cone_last: bool,
) -> NDArray:
    """Persistence pairs (edge, triangle) of positive length in degree 1.

    Args:
        num_vertices: n; edges are numbered as in ``np.triu_indices(n, 1)``.
        small: filtration of the edges, shape ``(n (n - 1) / 2,)``.
        large: filtration of their cone triangles, same shape, nowhere below ``small``.
        order_small: an ``argsort`` of ``small``; runs of equal values are reordered in place.
        order_large: the same for ``large``.
        cone_last: whether, at equal filtration, a cone triangle comes after the others. This changes no bar,
            only which of several simplices of the same filtration is named.

    Returns:
        Rows ``(birth edge, death edge, death is a cone triangle)``: a bar is born at ``small[birth edge]``
        and dies at ``large[death edge]`` for a cone triangle, else at ``small[death edge]``.
    """
    num_edges = small.size
    _break_ties(order_small, small)
    _break_ties(order_large, large)
    first, second = np.empty(num_edges, np.int32), np.empty(num_edges, np.int32)
    edge = 0
    for i in range(num_vertices):
        for j in range(i + 1, num_vertices):
            first[edge], second[edge] = i, j
            edge += 1
    heads, tails = first[order_small], second[order_small]
    small_sorted, large_sorted = small[order_small], large[order_large]
    slot_of_edge = np.empty(num_edges, dtype=np.int32)
    slot_of_edge[order_large] = np.arange(num_edges, dtype=np.int32)
    slots = slot_of_edge[order_small]

    pairs = _reduce(num_vertices, heads, tails, small_sorted, large_sorted, slots, cone_last)
    for bar in range(len(pairs)):
        pairs[bar, 0] = order_small[pairs[bar, 0]]
        pairs[bar, 1] = order_large[pairs[bar, 1]] if pairs[bar, 2] else order_small[pairs[bar, 1]]
    return pairs
