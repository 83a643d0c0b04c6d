"""AdaIN whole, masked and per class; Lab against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.color import lab2rgb, rgb2lab

from relook.ops.statistics import adain, adain_by_class, lab_to_rgb, rgb_to_lab


@pytest.fixture
def pair():
    draw = torch.Generator().manual_seed(0)
    return torch.randn(1, 4, 12, 10, generator=draw), torch.randn(1, 4, 9, 14, generator=draw) * 3 + 2


def moments(values):
    return values.mean(-1), values.std(-1)


def same(found, expected):
    """Equal moments, but for the EPSILON in variances."""
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_adain_gives_the_styles_moments(pair):
    content, style = pair
    same(moments(adain(content, style).flatten(2)), moments(style.flatten(2)))


def test_masked_adain_uses_and_changes_only_what_is_inside(pair):
    content, style = pair
    ours, theirs = torch.zeros(12, 10, dtype=torch.bool), torch.zeros(9, 14, dtype=torch.bool)
    ours[:4], theirs[:, 5:] = True, True
    result = adain(content, style, ours, theirs)
    assert torch.equal(result[..., ~ours], content[..., ~ours])
    same(moments(result[..., ours]), moments(style[..., theirs]))
    torch.testing.assert_close(adain(content, style, ours, theirs, strength=0.0), content)


def test_adain_by_class_matches_each_class_and_leaves_the_rest(pair):
    content, style = pair
    ours, theirs = torch.zeros(12, 10, dtype=torch.int64), torch.zeros(9, 14, dtype=torch.int64)
    ours[:4], ours[4:8], theirs[:, :5], theirs[:, 5:9] = 1, 2, 1, 3
    result = adain_by_class(content, style, ours, theirs)
    same(moments(result[..., ours == 1]), moments(style[..., theirs == 1]))
    assert torch.equal(result[..., ours != 1], content[..., ours != 1])
    whole = adain_by_class(content, style, ours, theirs, unmatched=True)
    same(moments(whole[..., ours == 0]), moments(style.flatten(2)))


def test_too_few_positions_and_flat_content_stay_finite(pair):
    content, style = pair
    tiny = torch.zeros(12, 10, dtype=torch.bool)
    tiny[0, 0] = True
    assert torch.equal(adain(content, style, tiny), content)
    assert adain(torch.ones_like(content), style).isfinite().all()


def test_lab_agrees_with_scikit_image():
    image = torch.rand(3, 7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lab = rgb_to_lab(image)
    theirs = rgb2lab(image.permute(1, 2, 0).numpy())
    np.testing.assert_allclose(lab.permute(1, 2, 0).numpy(), theirs, atol=0.02)
    np.testing.assert_allclose(lab_to_rgb(lab).permute(1, 2, 0).numpy(), lab2rgb(theirs), atol=1e-3)
