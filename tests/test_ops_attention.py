"""attend: exact masks, exact contrast, masks by groups and materialised variants against slow twins."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from oracles import attend_reference, groups_of
from relook.errors import EditError, ShapeError
from relook.ops import attention
from relook.ops.attention import attend, attend_materialised, nearest_tokens
from relook.ops.groups import class_groups


@pytest.fixture
def tensors():
    draw = torch.Generator().manual_seed(0)
    query = torch.randn(2, 3, 20, 8, generator=draw)
    key = torch.randn(2, 3, 30, 8, generator=draw)
    value = torch.randn(2, 3, 30, 8, generator=draw)
    mask = torch.rand(2, 20, 30, generator=draw) > 0.6
    mask[..., 0] = True
    return query, key, value, mask


@pytest.mark.parametrize("contrast", [1.0, 1.67])
@pytest.mark.parametrize("masked", [True, False])
def test_attend_equals_its_slow_twin_and_the_materialised_formula(tensors, monkeypatch, contrast, masked):
    query, key, value, mask = tensors
    mask = mask if masked else None
    fast = attend(query, key, value, mask, contrast=contrast)
    assert (fast - attend_reference(query, key, value, mask, contrast=contrast)).abs().max() < 1e-5
    for rows in (7, 1024):
        monkeypatch.setattr(attention, "ROWS", rows)
        assert (fast - attend_materialised(query, key, value, mask, contrast=contrast)).abs().max() < 1e-5


def test_contrast_without_mask_is_the_printed_formula(tensors):
    query, key, value, _ = tensors
    weights = torch.softmax(query @ key.transpose(-1, -2) / 8**0.5, -1)
    printed = ((weights - weights.mean()) * 1.67 + weights.mean()) @ value
    assert (attend(query, key, value, contrast=1.67) - printed).abs().max() < 1e-5


@pytest.mark.parametrize("contrast", [1.0, 1.67])
def test_excluded_keys_have_exactly_no_influence(tensors, contrast):
    query, key, value, mask = tensors
    mask = mask[:1].clone()
    mask[:, :, 20:] = False
    poisoned = value.clone()
    poisoned[:, :, 20:] = 1e8
    assert torch.equal(
        attend(query, key, value, mask, contrast=contrast), attend(query, key, poisoned, mask, contrast=contrast)
    )


def test_multiplied_mask_leaks_and_exact_mask_does_not(tensors):
    query, key, _, _ = tensors
    mask = torch.zeros(1, 20, 30, dtype=torch.bool)
    mask[..., :2] = True
    outside = (~mask[0, 0]).float()[None, None, :, None].expand(2, 3, 30, 8)
    leaked = attend_materialised(query * 0.1, key, outside, mask, masking="multiplied")
    assert leaked.mean() > 0.6
    assert attend(query * 0.1, key, outside, mask).abs().max() == 0


def test_clipped_contrast_is_the_released_formula(tensors):
    query, key, value, _ = tensors
    weights = torch.softmax(query @ key.transpose(-1, -2) / 8**0.5, -1)
    released = ((weights - 1 / 30) * 3 + 1 / 30).clamp(0, 1) @ value
    assert (attend_materialised(query, key, value, contrast=3.0, clip=True) - released).abs().max() < 1e-5
    assert (attend(query, key, value, contrast=3.0) - released).abs().max() > 1e-3


@pytest.fixture
def blocks(monkeypatch):
    """Groups are attended block by block at any size."""
    monkeypatch.setattr(attention, "BLOCKS_FROM", 0)


def random_classes(samples=2, seed=1):
    """Uneven classes of 20 queries and 30 keys: class 5 has no keys, 0 is unmatched."""
    draw = torch.Generator().manual_seed(seed)
    shares, fewer = torch.tensor([0.1, 0.5, 0.2, 0.1, 0.05, 0.05]), torch.tensor([0.1, 0.2, 0.4, 0.1, 0.2])
    ours = torch.multinomial(shares.expand(samples, -1), 20, True, generator=draw)
    theirs = torch.multinomial(fewer.expand(samples, -1), 30, True, generator=draw)
    ours[:, 3], ours[:, 11] = 0, 5
    return ours, theirs


def test_groups_of_classes_worked_by_hand():
    groups = class_groups(torch.tensor([2, 0, 1, 2, 3]), torch.tensor([1, 2, 0, 2]))
    assert groups.matrix.int().tolist() == [[[0, 1, 0, 1], [1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]]]
    alone = class_groups(torch.tensor([2, 0, 1, 2, 3]), torch.tensor([1, 2, 0, 2]), unmatched="nothing")
    assert alone.matrix[0].int().sum(1).tolist() == [2, 0, 1, 2, 4]
    assert alone.filled.tolist() == [[True, False, True, True, True]]
    assert alone.beside_own.matrix[0].int().tolist()[1:3] == [[1] * 5 + [0, 0, 0, 0], [1] * 5 + [1, 0, 0, 0]]


@pytest.mark.parametrize("contrast", [1.0, 1.67])
@pytest.mark.parametrize("samples", [1, 2])
def test_groups_equal_the_slow_twin_with_the_mask_written_out(tensors, blocks, contrast, samples):
    query, key, value, _ = tensors
    ours, theirs = random_classes(samples)
    mask = (ours[:, :, None] == theirs[:, None]) & (ours[:, :, None] > 0)
    mask |= ~mask.any(-1, keepdim=True)
    found = attend(query, key, value, class_groups(ours, theirs), contrast=contrast)
    assert (found - attend_reference(query, key, value, mask, contrast=contrast)).abs().max() < 1e-5


def test_groups_may_share_keys_as_own_keys_beside_the_others(tensors, blocks):
    query, key, value, _ = tensors
    ours, theirs = random_classes()
    groups = class_groups(ours, theirs, unmatched="nothing")
    keys, values = torch.cat([query, key], 2), torch.cat([query * 2, value], 2)
    mask = torch.cat([torch.ones(2, 20, 20, dtype=torch.bool), groups.matrix], 2)
    found = attend(query, keys, values, groups.beside_own, contrast=1.3)
    assert (found - attend_reference(query, keys, values, mask, contrast=1.3)).abs().max() < 1e-5


@pytest.mark.parametrize("form", ["blocks", "small groups", "matrix"])
def test_queries_without_keys_attend_to_what_is_given_in_their_place(tensors, monkeypatch, form):
    query, key, value, _ = tensors
    groups = class_groups(*random_classes(), unmatched="nothing")
    monkeypatch.setattr(attention, "BLOCKS_FROM", 0 if form == "blocks" else 2**40)
    own = (query.flip(2), query.flip(2) * 3)
    lost = ~groups.matrix.any(-1, keepdim=True)
    assert bool(lost.any(1).all())
    filled = attend_reference(query, key, value, groups.matrix | lost, contrast=1.67)
    wanted = torch.where(lost[:, None], attend_reference(query, *own), filled)
    mask = groups.matrix if form == "matrix" else groups
    assert (attend(query, key, value, mask, contrast=1.67, otherwise=own) - wanted).abs().max() < 1e-5
    with pytest.raises(EditError, match="row with none"):
        attend(query, key, value, mask)


def test_gradients_by_groups_are_those_of_the_map(blocks):
    draw = torch.Generator().manual_seed(2)
    inputs = [
        torch.randn(2, 2, n, 3, generator=draw, dtype=torch.float64, requires_grad=True) for n in (20, 30, 30, 9, 9)
    ]
    groups = class_groups(*random_classes(), unmatched="nothing")
    lost = ~groups.matrix.any(-1, keepdim=True)

    def by_groups(query, key, value, *own):
        return attend(query, key, value, groups, contrast=1.67, otherwise=own)

    def by_map(query, key, value, *own):
        found = attend_materialised(query, key, value, groups.matrix | lost, contrast=1.67)
        return torch.where(lost[:, None], attend_materialised(query, *own), found)

    weights = torch.randn(2, 2, 20, 3, generator=draw, dtype=torch.float64)
    ours, theirs = (torch.autograd.grad((run(*inputs) * weights).sum(), inputs) for run in (by_groups, by_map))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-9)
    assert torch.autograd.gradcheck(by_groups, inputs, fast_mode=True)


class Watched(TorchDispatchMode):
    """Records the largest tensor that any operator returns, and the pairs of query and key that SDPA was asked for."""

    def __init__(self):
        super().__init__()
        self.largest, self.pairs = 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if "scaled_dot_product" in str(func):
            self.pairs += args[0].shape[2] * args[1].shape[2]
        for part in result if isinstance(result, tuple | list) else (result,):
            self.largest = max(self.largest, part.numel() if isinstance(part, torch.Tensor) else 0)
        return result


def test_groups_ask_for_their_blocks_only_and_never_store_a_map_on_a_grid_of_48_by_72():
    count = 48 * 72
    draw = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(1, count, 2 * 4, generator=draw).unflatten(-1, (2, 4)).transpose(1, 2) for _ in "qkv"
    )
    ours, theirs = (torch.multinomial(torch.tensor([0, 0.6, 0.3, 0.1]), count, True, generator=draw) for _ in "qk")
    groups = class_groups(ours, theirs)
    with Watched() as watch:
        found = attend(query, key, value, groups, contrast=1.67)
    blocks = sum(int((ours == label).sum()) * int((theirs == label).sum()) for label in (1, 2, 3))
    assert watch.pairs == blocks < 0.5 * count**2
    assert watch.largest == query.numel()
    wanted = attend_materialised(query, key, value, ours[None, :, None] == theirs[None, None], contrast=1.67)
    assert (found - wanted).abs().max() < 1e-5


def test_small_grids_are_one_call_with_a_matrix(tensors):
    query, key, value, _ = tensors
    groups = class_groups(*random_classes())
    with Watched() as watch:
        attend(query, key, value, groups)
    assert watch.pairs == 20 * 30


def test_groups_of_another_grid_are_refused(tensors):
    query, key, value, _ = tensors
    ours, theirs = random_classes()
    for wrong in (class_groups(ours[:, 1:], theirs), class_groups(*random_classes(samples=3))):
        with pytest.raises(ShapeError, match="build them"):
            attend(query, key, value, wrong)


def test_gradients_reach_query_key_and_value(tensors):
    query, key, value, mask = (part.requires_grad_() if part.is_floating_point() else part for part in tensors)
    attend(query, key, value, mask, contrast=1.5).square().sum().backward()
    for part in (query, key, value):
        assert part.grad is not None
        assert part.grad.isfinite().all()
        assert part.grad.abs().sum() > 0


def test_rows_without_keys_and_misfitting_masks_are_refused(tensors):
    query, key, value, mask = tensors
    empty = mask.clone()
    empty[1, 3] = False
    with pytest.raises(EditError, match="row with none"):
        attend(query, key, value, empty)
    for wrong in (mask[:, :-1], mask.float(), mask[:, :, 1:]):
        with pytest.raises((ShapeError, TypeError)):
            attend(query, key, value, wrong)


def test_nearest_tokens_is_the_masked_arg_max_of_cosine_similarity(tensors, monkeypatch):
    query, key, _, mask = tensors
    query, key = query[:, 0], key[:, 0] * torch.rand(2, 30, 1).add(0.1)
    similarity = torch.cosine_similarity(query[:, :, None], key[:, None], dim=-1)
    monkeypatch.setattr(attention, "ROWS", 6)
    assert torch.equal(nearest_tokens(query, key), similarity.argmax(-1))
    assert torch.equal(nearest_tokens(query, key, groups_of(mask)), similarity.where(mask, -2.0).argmax(-1))
    groups = class_groups(*random_classes(), unmatched="nothing")
    wanted = similarity.where(groups.matrix, -2.0).argmax(-1)
    assert torch.equal(nearest_tokens(query, key, groups), wanted * groups.filled)  # the first where none is allowed
