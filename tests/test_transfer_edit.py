"""Attention edits: what they change, what they leave, and that they say so when they cannot act."""

import pytest
import torch

from oracles import attend_reference, groups_of
from relook.errors import EditError, ShapeError
from relook.ops import attention
from relook.ops.groups import class_groups
from relook.transfer.edit import AttentionEdit, Rows, edited
from relook.transfer.layers import finest_level, level_of
from tiny import unet

SIZE = (6, 10)


@pytest.fixture(scope="module")
def denoiser():
    return unet()


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(0)
    latents, text = torch.randn(4, 4, *SIZE, generator=draw), torch.randn(4, 3, 16, generator=draw)
    return latents, torch.tensor([500, 500, 100, 100]), text


def run(denoiser, batch, *edits):
    with torch.no_grad():
        if not edits:
            return denoiser(*batch).sample
        with edited(denoiser, *edits):
            return denoiser(*batch).sample


def random_mask(output, style):
    draw = torch.Generator().manual_seed(3)
    return groups_of(torch.rand(2, output[0] * output[1], style[0] * style[1], generator=draw) > 0.5)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"keys": "both"},
        {"contrast": 1.67},
        {"clip": True, "contrast": 1.67, "masking": "multiplied"},
        {"rearrange": "features"},
        {"rearrange": "values"},
    ],
)
def test_only_output_rows_change_and_the_model_is_restored(denoiser, batch, change):
    before, plain = dict(denoiser.attn_processors), run(denoiser, batch)
    changed = run(denoiser, batch, AttentionEdit(Rows.pairs(2), SIZE, mask=random_mask, **change))
    assert (changed[:2] - plain[:2]).abs().amax((1, 2, 3)).min() > 1e-3
    torch.testing.assert_close(changed[2:], plain[2:])
    assert all(denoiser.attn_processors[name] is processor for name, processor in before.items())
    assert torch.equal(run(denoiser, batch), plain)


def test_an_edit_with_the_row_itself_as_style_changes_nothing(denoiser, batch):
    plain = run(denoiser, batch)
    for keys in ("style", "both"):
        torch.testing.assert_close(run(denoiser, batch, AttentionEdit(Rows((0, 1), (0, 1)), SIZE, keys=keys)), plain)
    torch.testing.assert_close(
        run(denoiser, batch, AttentionEdit(Rows((0, 1), (0, 1)), SIZE, rearrange="features")), plain
    )


def test_swapped_layer_equals_the_formula(denoiser, batch):
    layer = denoiser.up_blocks[1].attentions[1].transformer_blocks[0].attn1
    draw = torch.Generator().manual_seed(5)
    hidden = torch.randn(2, 60, 8, generator=draw)
    mask = torch.rand(1, 60, 60, generator=draw) > 0.5
    mask[0, 7] = False

    def heads(values):
        return values.unflatten(-1, (layer.heads, -1)).transpose(1, 2)

    query, key, value = heads(layer.to_q(hidden[:1])), heads(layer.to_k(hidden)), heads(layer.to_v(hidden))
    filled = mask.clone()
    filled[0, 7] = True
    wanted = attend_reference(query, key[1:], value[1:], filled, contrast=1.67)
    wanted[:, :, 7] = attend_reference(query, key[:1], value[:1])[:, :, 7]  # no style token: its own picture
    edit = AttentionEdit(Rows(), SIZE, mask=lambda output, style: groups_of(mask), contrast=1.67)
    with torch.no_grad(), edited(denoiser, edit) as firings:
        got = layer(hidden)[:1]
    torch.testing.assert_close(got, layer.to_out[0](wanted.transpose(1, 2).flatten(2)), atol=1e-5, rtol=1e-4)
    assert sum(firings.values()) == 1


def test_edit_keeps_out_of_a_masked_style_region(denoiser, batch):
    """Changing style tokens outside the mask leaves the first edited layer's output as it is, bit by bit."""
    layer = denoiser.up_blocks[0].attentions[0].transformer_blocks[0].attn1
    mask = torch.ones(1, 15, 15, dtype=torch.bool)
    mask[:, :, 9:] = False
    edit = AttentionEdit(Rows(), SIZE, mask=lambda output, style: groups_of(mask), levels=(0.5,))
    hidden = torch.randn(2, 15, 16)
    other = hidden.clone()
    other[1, 9:] = 100
    results = []
    for tokens in (hidden, other):
        with torch.no_grad(), edited(denoiser, edit):
            results.append(layer(tokens)[0])
    assert torch.equal(*results)


def test_keys_of_the_structure_come_from_its_row(denoiser, batch):
    rows = Rows(output=(0,), style=(1,), structure=(2,))
    other = (batch[0].clone(), *batch[1:])
    other[0][1] += 5
    first = run(denoiser, batch, AttentionEdit(rows, SIZE, keys="structure"))[0]
    assert torch.allclose(first, run(denoiser, other, AttentionEdit(rows, SIZE, keys="structure"))[0], atol=1e-6)
    other[0][2] += 5
    assert not torch.allclose(first, run(denoiser, other, AttentionEdit(rows, SIZE, keys="structure"))[0], atol=1e-6)


def test_levels_pick_layers_by_their_grid(denoiser, batch):
    with (
        torch.no_grad(),
        edited(
            denoiser,
            AttentionEdit(Rows.pairs(2), SIZE, levels=(0.5,)),
            AttentionEdit(Rows.pairs(2), SIZE, levels=(1.0,)),
        ) as firings,
    ):
        denoiser(*batch)
        denoiser(*batch)
    assert {(edit, name.split(".")[1]) for edit, name in firings} == {(0, "0"), (1, "1")}
    assert set(firings.values()) == {2}


def classes_of(output, style, pairs=2):
    """Random classes 0 to 3 of output and style tokens; class 3 has no style tokens."""
    draw = torch.Generator().manual_seed(6)
    ours = torch.randint(0, 4, (pairs, output[0] * output[1]), generator=draw)
    return ours, torch.randint(0, 3, (pairs, style[0] * style[1]), generator=draw)


@pytest.mark.parametrize("pairs", [1, 2])
@pytest.mark.parametrize(
    "change",
    [
        {"contrast": 1.67},
        {"keys": "both", "contrast": 1.3},
        {"clip": True, "contrast": 1.67},
        {"rearrange": "features"},
        {"masking": "multiplied"},
    ],
)
def test_a_mask_of_few_groups_is_the_mask_query_by_query(denoiser, batch, monkeypatch, change, pairs):
    def groups(output, style):
        return class_groups(*classes_of(output, style, pairs), unmatched="nothing")

    def one_by_one(output, style):
        return groups_of(groups(output, style).matrix)

    assert not groups(SIZE, SIZE).filled.all()
    by_query = run(denoiser, batch, AttentionEdit(Rows.pairs(2), SIZE, mask=one_by_one, **change))
    for threshold in (0, 2**40):
        monkeypatch.setattr(attention, "BLOCKS_FROM", threshold)
        found = run(denoiser, batch, AttentionEdit(Rows.pairs(2), SIZE, mask=groups, **change))
        torch.testing.assert_close(found, by_query, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("stages", "finest", "size"),
    [(4, True, (24, 16)), (4, True, (25, 17)), (3, False, (32, 20)), (3, False, (33, 19))],
    ids=["sd15", "sd15 odd", "sdxl", "sdxl odd"],
)
def test_every_layer_of_the_public_shapes_gets_its_actual_grid(stages, finest, size):
    """Stable Diffusion 1.5 attends at levels 1, 1/2, 1/4 of four stages; SDXL at 1/2, 1/4 of three."""
    from diffusers import UNet2DConditionModel

    cross = [finest, *[True] * (stages - 2), stages == 3]
    torch.manual_seed(0)
    denoiser = UNet2DConditionModel(
        down_block_types=[f"{'CrossAttn' if attends else ''}DownBlock2D" for attends in cross],
        up_block_types=[f"{'CrossAttn' if attends else ''}UpBlock2D" for attends in cross[::-1]],
        block_out_channels=(8,) * stages,
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=4,
    ).eval()
    seen = set()

    def mask(output, style):
        seen.add(output)
        return class_groups(*classes_of(output, style, pairs=1), unmatched="nothing")

    edit = AttentionEdit(Rows(), size, keys="both", mask=mask)
    with torch.no_grad(), edited(denoiser, edit) as firings:
        found = denoiser(torch.randn(2, 4, *size), 500, torch.randn(2, 3, 8)).sample
    assert found.isfinite().all()
    levels = [level for level, attends in enumerate(cross) if attends]
    assert seen == {(-(-size[0] // 2**level), -(-size[1] // 2**level)) for level in levels}
    assert len(firings) == 2 * len(levels)
    assert finest_level(denoiser) == (1.0 if finest else 0.5)


@pytest.mark.parametrize(
    ("size", "grids"),
    [
        ((96, 64), [(96, 64), (48, 32), (24, 16), (12, 8)]),
        ((128, 80), [(128, 80), (64, 40), (32, 20), (16, 10)]),
        ((80, 128), [(80, 128), (40, 64), (20, 32), (10, 16)]),
        ((75, 101), [(75, 101), (38, 51), (19, 26), (10, 13)]),
    ],
)
def test_levels_of_pictures_of_768_by_512_and_1024_by_640_and_odd_ones(size, grids):
    for halvings, (h, w) in enumerate(grids):
        assert level_of(h * w, size) == (0.5**halvings, (h, w))


@pytest.mark.parametrize(("tokens", "expected"), [(60, (1.0, (6, 10))), (15, (0.5, (3, 5))), (6, (0.25, (2, 3)))])
def test_grids_are_not_assumed_square(tokens, expected):
    assert level_of(tokens, SIZE) == expected


def test_the_finest_level_with_attention():
    assert finest_level(unet()) == 1.0
    assert finest_level(unet(finest=False)) == 0.5
    with pytest.raises(EditError, match="0 attention layers"):
        finest_level(unet(attention=False))


def test_gradients_pass_through_an_edited_batch_of_pairs(batch):
    denoiser = unet(seed=1)
    with edited(denoiser, AttentionEdit(Rows.pairs(2), SIZE, keys="both", mask=random_mask)):
        denoiser(*batch).sample[:2].square().mean().backward()
    gradient = denoiser.up_blocks[1].attentions[0].transformer_blocks[0].attn1.to_v.weight.grad
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize(
    "edit",
    [
        AttentionEdit(Rows(), SIZE, levels=(0.125,)),
        AttentionEdit(Rows(), (7, 7)),
        AttentionEdit(Rows(output=(9,)), SIZE),
        AttentionEdit(Rows(output=(0, 1), style=(1, 2, 3)), SIZE),
        AttentionEdit(Rows(), SIZE, keys="structure"),
    ],
)
def test_edits_that_cannot_fire_raise_and_restore(denoiser, batch, edit):
    before = dict(denoiser.attn_processors)
    with pytest.raises(EditError, match="Expected"):
        run(denoiser, batch, edit)
    assert all(denoiser.attn_processors[name] is processor for name, processor in before.items())


def test_an_edit_whose_block_never_runs_the_model_raises(denoiser):
    with pytest.raises(EditError, match="no firing"), edited(denoiser, AttentionEdit(Rows(), SIZE)):
        pass


def test_a_denoiser_without_decoder_attention_raises():
    with (
        pytest.raises(EditError, match="0 attention layers"),
        edited(unet(attention=False), AttentionEdit(Rows(), SIZE)),
    ):
        pass


def test_exceptions_pass_and_the_model_is_restored(denoiser):
    before = dict(denoiser.attn_processors)
    with pytest.raises(KeyError), edited(denoiser, AttentionEdit(Rows(), SIZE)):
        raise KeyError("mine")
    assert all(denoiser.attn_processors[name] is processor for name, processor in before.items())


def test_masks_of_the_wrong_grid_are_refused(denoiser, batch):
    with pytest.raises(ShapeError, match="grid"):
        run(denoiser, batch, AttentionEdit(Rows(), SIZE, mask=lambda *_: groups_of(torch.ones(4, 4, dtype=torch.bool))))


def matches_of(pairs=1, seed=4):
    """Random matches for any grid, a quarter of them without a counterpart; the same in every layer of one grid."""

    def matches(output, style):
        count = style[0] * style[1]
        draw = torch.Generator().manual_seed(seed)
        found = torch.randint(0, count, (pairs, output[0] * output[1]), generator=draw)
        return torch.where(torch.rand(found.shape, generator=draw) < 0.25, -1, found)

    return matches


@pytest.mark.parametrize("rearrange", ["features", "values"])
def test_matches_are_where_the_style_goes(denoiser, rearrange):
    layer = denoiser.up_blocks[1].attentions[1].transformer_blocks[0].attn1
    hidden = torch.randn(3, 60, 8, generator=torch.Generator().manual_seed(5))
    matches = matches_of()(SIZE, SIZE)[0]
    moved = hidden[0].clone()
    for token, place in enumerate(matches.tolist()):
        if place >= 0:
            moved[token] = hidden[2, place]
    assert (matches < 0).any()

    def heads(values):
        return values.unflatten(-1, (layer.heads, -1)).transpose(1, 2)

    asked = moved[None] if rearrange == "features" else hidden[:1]
    query, key, value = heads(layer.to_q(asked)), heads(layer.to_k(asked)), heads(layer.to_v(moved[None]))
    wanted = layer.to_out[0](attend_reference(query, key, value).transpose(1, 2).flatten(2))[0]
    edit = AttentionEdit(Rows((0,), (2,)), SIZE, rearrange=rearrange, matches=lambda *_: matches)
    with torch.no_grad(), edited(denoiser, edit) as firings:
        got = layer(hidden)
    torch.testing.assert_close(got[0], wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(got[1:], layer(hidden)[1:], atol=1e-5, rtol=1e-4)
    assert sum(firings.values()) == 1


def test_matches_may_differ_from_pair_to_pair(denoiser, batch):
    both = run(denoiser, batch, AttentionEdit(Rows.pairs(2), SIZE, rearrange="features", matches=matches_of(2)))
    for pair in range(2):
        alone = AttentionEdit(
            Rows((pair,), (pair + 2,)), SIZE, rearrange="features", matches=lambda *g, p=pair: matches_of(2)(*g)[p]
        )
        torch.testing.assert_close(both[pair], run(denoiser, batch, alone)[pair], atol=1e-5, rtol=1e-4)


def test_matches_rule_over_similarity_and_mask(denoiser, batch):
    def itself(output, style):
        return torch.arange(output[0] * output[1])

    def none(output, style):
        return torch.full((output[0] * output[1],), -1)

    rows = Rows((0,), (2,))
    plain = run(denoiser, batch)
    torch.testing.assert_close(
        run(denoiser, batch, AttentionEdit(rows, SIZE, rearrange="features", matches=none)), plain
    )
    masked, free = (
        run(denoiser, batch, AttentionEdit(rows, SIZE, rearrange="features", matches=itself, mask=mask))
        for mask in (random_mask_of_one, None)
    )
    assert torch.equal(masked, free)
    assert not torch.allclose(free[0], plain[0], atol=1e-3)
    similar = run(denoiser, batch, AttentionEdit(rows, SIZE, rearrange="features"))
    assert not torch.allclose(free[0], similar[0], atol=1e-3)


def random_mask_of_one(output, style):
    return groups_of(random_mask(output, style).matrix[:1])


def test_matches_that_do_not_fit_are_refused(denoiser, batch):
    for matches, size in ((torch.zeros(4, dtype=torch.int64), 60), (torch.full((60,), 60), 60)):
        edit = AttentionEdit(Rows(), SIZE, rearrange="features", levels=(1.0,), matches=lambda *_, p=matches: p)
        with pytest.raises(ShapeError, match=f"below {size}"):
            run(denoiser, batch, edit)
    with pytest.raises(EditError, match="set rearrange"):
        AttentionEdit(Rows(), SIZE, matches=matches_of())
