"""The memory planner, by properties: what lives at once does not overlap, and the arena is between its bounds, recomputed here."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcnn import _core

ALIGNMENT = 64
Block = tuple[int, int, int]  # first step, last step (both included), bytes

SIZES = st.one_of(st.integers(0, 300), st.integers(0, 2**33), st.sampled_from([0, 1, 63, 64, 65, 4096]))


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    first = draw(st.integers(0, 20))
    return first, first + draw(st.integers(0, 8)), draw(SIZES)


def rounded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def bound(lifetimes: list[Block]) -> int:
    """The most bytes that live at one step, in whole cache lines, counted step by step."""
    steps = {step for first, last, _ in lifetimes for step in (first, last)}
    return max((sum(rounded(size) for first, last, size in lifetimes if first <= step <= last) for step in steps), default=0)


def check(lifetimes: list[Block]) -> dict:
    plan = _core.plan_memory(lifetimes)
    offsets, total = plan["offsets"], plan["total"]
    assert len(offsets) == len(lifetimes)
    for i, (first, last, size) in enumerate(lifetimes):
        assert offsets[i] >= 0
        assert offsets[i] % ALIGNMENT == 0
        assert offsets[i] + size <= total
        for j in range(i):
            other_first, other_last, other_size = lifetimes[j]
            if size and other_size and first <= other_last and other_first <= last:
                assert offsets[i] + size <= offsets[j] or offsets[j] + other_size <= offsets[i], f"blocks {j} and {i} overlap"
    assert plan["lower_bound"] == bound(lifetimes)
    assert plan["lower_bound"] <= total <= sum(rounded(size) for _, _, size in lifetimes)
    return plan


@given(st.lists(blocks(), max_size=25))
@settings(max_examples=300, deadline=None)
def test_any_lifetimes(lifetimes: list[Block]) -> None:
    check(lifetimes)


@given(st.lists(blocks(), max_size=12))
@settings(max_examples=50, deadline=None)
def test_a_pure_function(lifetimes: list[Block]) -> None:
    assert _core.plan_memory(lifetimes) == _core.plan_memory(lifetimes)


@given(st.lists(SIZES, max_size=30))
@settings(max_examples=200, deadline=None)
def test_chains_reach_the_bound(sizes: list[int]) -> None:
    """Layer by layer: each value lives until the next is made. Neighbours fit at the two ends of the arena."""
    plan = check([(step, step + 1, size) for step, size in enumerate(sizes)])
    assert plan["total"] == plan["lower_bound"]


@given(st.lists(SIZES, min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_blocks_that_never_meet_share_all_bytes(sizes: list[int]) -> None:
    assert check([(step, step, size) for step, size in enumerate(sizes)])["total"] == max(map(rounded, sizes))


@given(st.lists(SIZES, min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_blocks_that_always_meet_share_nothing(sizes: list[int]) -> None:
    assert check([(0, 5, size) for size in sizes])["total"] == sum(map(rounded, sizes))


def test_nothing() -> None:
    assert _core.plan_memory([]) == {"offsets": [], "total": 0, "lower_bound": 0}


def test_sizes_of_nothing() -> None:
    assert check([(0, 3, 0), (1, 2, 0)])["total"] == 0


def test_in_the_same_step_means_at_once() -> None:
    assert check([(0, 1, 64), (1, 2, 64)])["total"] == 128
    assert check([(0, 1, 64), (2, 2, 64)])["total"] == 64


def test_a_gap_is_used() -> None:
    """The middle block dies; what comes after fits between the others."""
    assert check([(0, 9, 128), (0, 3, 256), (0, 9, 128), (4, 9, 256)])["total"] == 512


@pytest.mark.parametrize("block", [(3, 2, 64), (0, 1, -1)])
def test_lifetimes_that_cannot_be_are_errors(block: Block) -> None:
    with pytest.raises(ValueError, match=r"^\[memory_plan\] a block needs bytes >= 0 and first <= last\. Got bytes=.*\.$"):
        _core.plan_memory([(0, 1, 64), block])
