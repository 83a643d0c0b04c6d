"""One denoising step of every method, in the order and the symbols of the papers.

    z_t                 latents of the output at timestep t; alpha-bar_t is their share of signal
    z^app_t, z^struct_t the style's (appearance) and the structure's latents at the same noise level
    eps_theta           the noise that the denoiser predicts, under several conditions in one pass
    Q, K, V             queries, keys and values of the decoder's self-attention
    M                   which tokens of the style a token of the output may attend to

All methods predict, guide, step, and match statistics. They differ in what attention asks (`_attention`), in how predictions are
composed (`relook.transfer.guidance`), and in whether z^app and z^struct are taken as they were drawn or denoised beside the output
(`Denoising.replay`); all three are data of a preset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from relook.transfer.edit import AttentionEdit, Rows
from relook.transfer.guidance import Condition, Mix, available, composed, guidance, replayed_guidance
from relook.transfer.layers import finest_level
from relook.transfer.predict import Predict, Row
from relook.transfer.sample import Timing, posterior
from relook.transfer.scene import Scene
from relook.transfer.settings import Denoising, Swap

OUTPUT, STYLE, STRUCTURE = range(3)
"""Rows of the latents where all three are denoised."""


@dataclass(frozen=True)
class Process:
    """What the steps of one run read. Z is 1, the output alone, or 3 where style and structure are denoised beside it."""

    scene: Scene
    denoising: Denoising
    timing: Timing
    strength: float
    predict: Predict
    """eps_theta, row by row."""
    start: Float[Tensor, "Z C h w"]
    """z at the first step."""
    noise: Float[Tensor, "T Z C h w"]
    """Of every step, in units of its deviation: the pictures' own, or fresh."""
    structure: Float[Tensor, "P 1 C h w"]
    """z^struct as drawn, at every schedule point."""
    style: Float[Tensor, "P 1 C h w"]
    """z^app as drawn, at every schedule point."""
    style_noise: Float[Tensor, "1 C h w"]
    """Noise of a style row that is at a lower timestep than the output."""


def step(run: Process, z: Float[Tensor, "Z C h w"], index: int) -> Float[Tensor, "Z C h w"]:
    """z_t -> z_{t-1}: the guided noise, the posterior's mean and noise (DDPM or DDIM), the style's statistics."""
    signal = run.timing.schedule.signal
    eps = guided_noise(run, z, index)
    mean, sigma = posterior(z, eps, signal[index], signal[index + 1], run.denoising.eta)
    return _with_statistics(run, mean + sigma * run.noise[index], index)


def guided_noise(run: Process, z: Float[Tensor, "Z C h w"], index: int) -> Float[Tensor, "Z C h w"]:
    """eps_theta(z_t) under the conditions of the guidance, in one pass with the rows that attention goes to, composed.

    Cross-Image Attention eq. 4, ReStyle3D eq. 5 and classifier-free guidance are functions of `relook.transfer.guidance`. In steps of
    injection attention goes to z^struct_t in place of z^app_t.
    """
    denoising, within = run.denoising, partial(run.timing.within, index=index)
    swaps = [swap for swap in denoising.attention if within(swap.window)]
    injects = denoising.injection is not None and within(denoising.injection)
    mix = guidance(
        denoising, run.timing.ramp(index), strength=run.strength, inside=within(denoising.guidance_window), injects=injects
    )  # fmt: skip
    mix = _available(run, mix, swap=bool(swaps))
    return (_beside_replayed if denoising.replay else _beside_drawn)(run, z, index, mix, swaps, injects)


def _beside_drawn(
    run: Process, z: Float[Tensor, "1 C h w"], index: int, mix: Mix, swaps: Sequence[Swap], injects: bool
) -> Float[Tensor, "1 C h w"]:
    """The output's noise, with style and structure as they were drawn and all that is known of them."""
    t = run.timing.schedule.timesteps[index]
    outputs = [run.scene.row(z, t, condition) for condition in mix]
    asking = [place for place, condition in enumerate(mix) if condition.swap]
    if not asking:
        return composed(mix, run.predict(outputs, ()))
    asks_structure = injects or run.denoising.query_share > 0
    structure = [_structure_row(run, index)] if asks_structure else []
    style = [] if injects else [_style_row(run, index)]
    rows = Rows(asking, (len(mix) + asks_structure,), (len(mix),))
    return composed(mix, run.predict([*outputs, *structure, *style], _attention(run, swaps, rows, injects)))


def _beside_replayed(
    run: Process, z: Float[Tensor, "3 C h w"], index: int, mix: Mix, swaps: Sequence[Swap], injects: bool
) -> Float[Tensor, "3 C h w"]:
    """The noise of output, style and structure; attention goes to rows that know what the asking one does, as in released code."""
    own = _available(run, replayed_guidance(run.denoising, run.timing.ramp(index)), swap=False)
    wanted = [(OUTPUT, one) for one in mix] + [(picture, one) for picture in (STYLE, STRUCTURE) for one in own]
    giver = STRUCTURE if injects else STYLE
    giving = [(giver, replace(condition, swap=False)) for condition in mix if condition.swap]
    place = {row: number for number, row in enumerate(dict.fromkeys([*wanted, *giving]))}

    t, parts = run.timing.schedule.timesteps[index], z.split(1)
    rows = [run.scene.row(parts[picture], t, condition, of_style=picture == STYLE) for picture, condition in place]
    asking = [place[OUTPUT, condition] for condition in mix if condition.swap]
    edits = []
    if asking:
        sources = [place[row] for row in giving]
        edits = _attention(run, swaps, Rows(asking, sources, sources), injects)
    noises = run.predict(rows, edits)

    def noise_of(picture: int, mix: Mapping[Condition, float]) -> Tensor:
        return composed(mix, noises[[place[picture, condition] for condition in mix]])

    return torch.cat([noise_of(OUTPUT, mix), noise_of(STYLE, own), noise_of(STRUCTURE, own)])


def _available(run: Process, mix: Mix, *, swap: bool) -> Mix:
    """The conditions that this scene has."""
    prompt = bool(run.scene.prompt) or run.scene.image is not None
    return available(mix, prompt=prompt, swap=swap, depth=run.scene.depth is not None)


def _attention(run: Process, swaps: Sequence[Swap], rows: Rows, injects: bool) -> list[AttentionEdit]:
    """What self-attention of the rows that ask becomes, level by level.

    Cross-Image Attention, eq. 2 and 3: softmax(Q_out K_app^T / sqrt(d)) V_app, its map's contrast raised about the mean.
    ReStyle3D, eq. 4: the same under the mask M of corresponding regions (its code has M also where the structure gives).
    Style Injection: (g Q_struct + (1 - g) Q_out), and a temperature on the logits.
    Eye-for-an-eye: the style's hidden states rearranged to the output's places, then ordinary self-attention.
    """
    denoising, scene, finest = run.denoising, run.scene, finest_level(run.scene.family.denoiser)
    masked = denoising.masked and not (injects and denoising.masking == "exact")
    edit = partial(
        AttentionEdit,
        rows=rows,
        size=scene.size,
        keys="structure" if injects else "style",
        mask=scene.mask if masked else None,
        rearrange=denoising.rearrange,
        matches=None if scene.descriptors is None else partial(scene.matches, masked=denoising.masked),
        masking=denoising.masking,
        contrast=denoising.contrast,
        clip=denoising.clip,
        query_share=0.0 if injects else denoising.query_share,
        temperature=1.0 if injects else denoising.temperature,
    )
    return [edit(levels=tuple(level * finest for level in swap.levels)) for swap in swaps]


def _structure_row(run: Process, index: int) -> Row:
    """z^struct_t with all that is known of it."""
    known = Condition(depth=run.scene.depth is not None)
    return run.scene.row(run.structure[index], run.timing.schedule.timesteps[index], known)


def _style_row(run: Process, index: int) -> Row:
    """z^app_t with all that is known of it, or less noisy where the preset wants the style cleaner than the output."""
    t, z = run.timing.schedule.timesteps[index], run.style[index]
    if run.denoising.style_noise < 1:
        t = round(run.denoising.style_noise * t)
        signal = run.scene.family.noise_levels()[t]
        z = signal.sqrt() * run.scene.style + (1 - signal).sqrt() * run.style_noise
    return run.scene.row(z, t, Condition(depth=run.scene.style_depth is not None), of_style=True)


def _with_statistics(run: Process, z: Float[Tensor, "Z C h w"], index: int) -> Float[Tensor, "Z C h w"]:
    """AdaIN (Cross-Image Attention, section 3.3): the output in the statistics of z^app at the same noise level, within its window."""
    denoising = run.denoising
    if denoising.adain == "none" or not run.timing.within(denoising.adain_window, index, after=True):
        return z
    style = z[STYLE : STYLE + 1] if denoising.replay else run.style[index + 1]
    moved = run.scene.with_statistics(denoising.adain, z[:1], style, run.strength)
    return torch.cat([moved, z[1:]])
