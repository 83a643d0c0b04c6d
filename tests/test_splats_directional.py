"""Colours that depend on where one looks from are found again by least squares."""

from dataclasses import replace

import torch

from relook.gaussians import Gaussians
from relook.ops import splats
from relook.ops.poses import looking
from relook.types import Camera

SIZE = (32, 40)
K = torch.tensor([[40.0, 0, 20], [0, 40, 16], [0, 0, 1]])


def scene(degree: int) -> Gaussians:
    draw = torch.Generator().manual_seed(3)
    n = 60
    means = torch.randn(n, 3, generator=draw) * torch.tensor([0.8, 0.6, 0.3])
    sh = 0.3 * torch.randn(n, (degree + 1) ** 2, 3, generator=draw)
    sh[:, 1:] *= 0.5
    quats = torch.nn.functional.normalize(torch.randn(n, 4, generator=draw), dim=1)
    return Gaussians(means, quats, torch.full((n, 3), 0.12), torch.full((n,), 0.9), sh)


def cameras(count: int) -> list[Camera]:
    angles = torch.linspace(-1.2, 1.2, count)
    eyes = [torch.stack([2.5 * a.sin(), 0.4 * (3 * a).cos(), -2.5 * a.cos()]) for a in angles]
    return [looking(K, eye, -eye, torch.tensor([0.0, -1, 0])) for eye in eyes]


def test_gloss_is_found_again_and_shown_to_an_unseen_camera():
    true, seen = scene(2), cameras(11)
    held = seen.pop(5)
    blends = [splats.blend(true, camera, SIZE) for camera in seen]
    pictures = [one.render(splats.seen_colours(true, camera)) for one, camera in zip(blends, seen, strict=True)]
    start = true.coloured(splats.uplift(blends, pictures).values)
    new = splats.blend(true, held, SIZE)

    def wrong(found: Gaussians) -> float:
        shown, exact = (new.render(splats.seen_colours(one, held)) for one in (found, true))
        return float((shown - exact).square().mean().sqrt())

    errors = [
        wrong(
            replace(
                start, sh=splats.solve_harmonics(start, seen, blends, pictures, degree, ridge=(0.01, 0.01), steps=20)
            )
        )
        for degree in (0, 1, 2)
    ]
    assert errors[1] < 0.8 * errors[0]
    assert errors[2] < 0.4 * errors[0]


def test_a_strong_ridge_leaves_colours_that_are_the_same_from_everywhere():
    true, seen = scene(1), cameras(6)
    blends = [splats.blend(true, camera, SIZE) for camera in seen]
    pictures = [one.render(splats.seen_colours(true, camera)) for one, camera in zip(blends, seen, strict=True)]
    start = true.coloured(splats.uplift(blends, pictures).values)
    held = splats.solve_harmonics(start, seen, blends, pictures, 1, ridge=(0.05, 1e6))
    plain = splats.solve(blends, pictures, start.colours)
    assert float(held[:, 1:].abs().max()) < 1e-3
    assert torch.allclose(replace(start, sh=held).colours, plain, atol=2e-2)
