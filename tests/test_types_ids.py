"""The numbers that are in a map of labels."""

import torch

from relook.types import Region, Segments, ids_in


def test_ids_are_those_of_sorting_small_large_negative_and_none():
    draw = torch.Generator().manual_seed(0)
    for low, high in ((0, 40), (3, 1 << 45), (-5, 5)):
        labels = torch.randint(low, high, (30, 40), generator=draw)
        assert ids_in(labels) == sorted(set(labels.flatten().tolist()))
    assert ids_in(torch.zeros(0, dtype=torch.int64)) == []


def test_regions_are_as_sure_as_their_pixels():
    labels = torch.tensor([[1, 1, 1, 2], [0, 0, 0, 0]])
    found = Segments(labels, {1: Region("wall", confidence=0.5), 2: Region("sofa", confidence=0.9), 3: Region("bed")})
    assert found.names == ("sofa", "wall")
    assert found.confidence(labels > 0) == (3 * 0.5 + 0.9) / 4
    assert found.confidence(labels < 9) == (4 * 1.0 + 3 * 0.5 + 0.9) / 8
    assert found.confidence(labels > 5) == 1.0
