"""attend: exact masks, exact contrast, block-wise and materialised variants against slow twins."""

import pytest
import torch

from relook.errors import EditError, ShapeError
from relook.ops.attention import attend, attend_by_class, attend_materialised, attend_reference, nearest_tokens


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
def test_attend_equals_its_slow_twin_and_the_materialised_formula(tensors, contrast, masked):
    query, key, value, mask = tensors
    mask = mask if masked else None
    fast = attend(query, key, value, mask, contrast=contrast)
    assert (fast - attend_reference(query, key, value, mask, contrast=contrast)).abs().max() < 1e-5
    for rows in (7, 1024):
        assert (fast - attend_materialised(query, key, value, mask, contrast=contrast, rows=rows)).abs().max() < 1e-5


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
    assert (attend_materialised(query, key, value, contrast=3.0, clip=True, rows=6) - released).abs().max() < 1e-5
    assert (attend(query, key, value, contrast=3.0) - released).abs().max() > 1e-3


@pytest.mark.parametrize("contrast", [1.0, 1.67])
def test_by_class_equals_the_mask(tensors, contrast):
    query, key, value, _ = tensors
    draw = torch.Generator().manual_seed(1)
    ours, theirs = torch.randint(0, 5, (2, 20), generator=draw), torch.randint(0, 4, (2, 30), generator=draw)
    mask = (ours[:, :, None] == theirs[:, None]) & (ours[:, :, None] > 0)
    everything = mask | ~mask.any(-1, keepdim=True)
    blocks = attend_by_class(query, key, value, ours, theirs, contrast=contrast)
    assert (blocks - attend(query, key, value, everything, contrast=contrast)).abs().max() < 1e-5
    with pytest.raises(EditError, match="class"):
        attend_by_class(query, key, value, ours, theirs, unmatched="error")


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


def test_nearest_tokens_is_the_masked_arg_max_of_cosine_similarity(tensors):
    query, key, _, mask = tensors
    query, key = query[:, 0], key[:, 0] * torch.rand(2, 30, 1).add(0.1)
    similarity = torch.cosine_similarity(query[:, :, None], key[:, None], dim=-1)
    assert torch.equal(nearest_tokens(query, key, rows=6), similarity.argmax(-1))
    assert torch.equal(nearest_tokens(query, key, mask), similarity.where(mask, -2.0).argmax(-1))
