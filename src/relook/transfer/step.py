"""One denoising step of every method, in the order and the symbols of the papers.

    z_t                 latents of the output at timestep t; alpha-bar_t is their share of signal
    z^app_t, z^struct_t the style's (appearance) and the structure's latents at the same noise level
    eps_theta           the noise that the denoiser predicts, under several conditions in one pass
    Q, K, V             queries, keys and values of the decoder's self-attention
    M                   which tokens of the style a token of the output may attend to

All methods predict, guide, step, and match statistics. They differ in what attention asks (`_attention`) and in how predictions are
composed (`relook.transfer.guidance`); both are data of a preset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from jaxtyping import Float
from torch import Tensor

from relook.transfer.edit import AttentionEdit, Rows
from relook.transfer.guidance import Condition, available, composed, guidance
from relook.transfer.layers import finest_level
from relook.transfer.predict import Predict, Row
from relook.transfer.sample import Schedule, posterior
from relook.transfer.scene import Scene
from relook.transfer.settings import Denoising, Swap, active


@dataclass(frozen=True)
class Process:
    """What the steps of one run read."""

    scene: Scene
    denoising: Denoising
    schedule: Schedule
    strength: float
    predict: Predict
    """eps_theta, row by row."""
    first: int
    """Index of the first step."""
    start: Float[Tensor, "1 C h w"]
    """z at the first step."""
    noise: Float[Tensor, "T 1 C h w"]
    """Of every step, in units of its deviation: the structure's own, or fresh."""
    structure: Float[Tensor, "P 1 C h w"]
    """z^struct at every schedule point."""
    style: Float[Tensor, "P 1 C h w"]
    """z^app at every schedule point."""
    style_noise: Float[Tensor, "1 C h w"]
    """Noise of a style row that is at a lower timestep than the output."""


def step(run: Process, z: Float[Tensor, "1 C h w"], index: int) -> Float[Tensor, "1 C h w"]:
    """z_t -> z_{t-1}: the guided noise, the posterior's mean and noise (DDPM or DDIM), the style's statistics."""
    eps = guided_noise(run, z, index)
    mean, sigma = posterior(z, eps, run.schedule.signal[index], run.schedule.signal[index + 1], run.denoising.eta)
    return _with_statistics(run, mean + sigma * run.noise[index], index + 1)


def guided_noise(run: Process, z: Float[Tensor, "1 C h w"], index: int) -> Float[Tensor, "1 C h w"]:
    """eps_theta(z_t) under the conditions of the guidance, in one pass with the rows that attention goes to, composed.

    Cross-Image Attention eq. 4, ReStyle3D eq. 5 and classifier-free guidance are functions of `relook.transfer.guidance`. In steps of
    injection attention goes to z^struct_t in place of z^app_t.
    """
    denoising, scene, t = run.denoising, run.scene, run.schedule.timesteps[index]
    fraction = run.schedule.fraction(t)
    swaps = [swap for swap in denoising.attention if active(swap.window, fraction)]
    prompted = bool(scene.prompt) or scene.image is not None
    mix = available(
        guidance(denoising, fraction, run.strength), prompt=prompted, swap=bool(swaps), depth=scene.depth is not None
    )
    outputs = [scene.row(z, t, condition) for condition in mix]
    asking = [place for place, condition in enumerate(mix) if condition.swap]
    if not asking:
        return composed(mix, run.predict(outputs, ()))
    injects = denoising.injects(index, fraction)
    structure = [_structure_row(run, index)] if injects or denoising.query_share > 0 else []
    style = [] if injects else [_style_row(run, index)]
    edits = _attention(run, swaps, asking, len(mix), injects)
    return composed(mix, run.predict([*outputs, *structure, *style], edits))


def _attention(
    run: Process, swaps: Sequence[Swap], asking: Sequence[int], outputs: int, injects: bool
) -> list[AttentionEdit]:
    """What self-attention of the rows `asking` becomes, level by level; behind `outputs` rows come the structure's and the style's.

    Cross-Image Attention, eq. 2 and 3: softmax(Q_out K_app^T / sqrt(d)) V_app, its map's contrast raised about the mean.
    ReStyle3D, eq. 4: the same under the mask M of corresponding regions.
    Style Injection: (g Q_struct + (1 - g) Q_out), and a temperature on the logits.
    Eye-for-an-eye: the style's hidden states rearranged to the output's places, then ordinary self-attention.
    """
    denoising, scene, finest = run.denoising, run.scene, finest_level(run.scene.family.denoiser)
    shared = denoising.query_share > 0
    edit = partial(
        AttentionEdit,
        rows=Rows(asking, (outputs + shared,), (outputs,)),
        size=scene.size,
        mask=scene.mask if denoising.masked else None,
        rearrange=denoising.rearrange,
        matches=None if scene.descriptors is None else partial(scene.matches, masked=denoising.masked),
        masking=denoising.masking,
    )
    if injects:
        edit = partial(edit, keys="structure")
    else:
        edit = partial(
            edit, contrast=denoising.contrast, clip=denoising.clip, query_share=denoising.query_share,
            temperature=denoising.temperature,
        )  # fmt: skip
    return [edit(levels=tuple(level * finest for level in swap.levels)) for swap in swaps]


def _structure_row(run: Process, index: int) -> Row:
    """z^struct_t with all that is known of it."""
    known = Condition(depth=run.scene.depth is not None)
    return run.scene.row(run.structure[index], run.schedule.timesteps[index], known)


def _style_row(run: Process, index: int) -> Row:
    """z^app_t, or less noisy where the preset wants the style cleaner than the output."""
    t, z = run.schedule.timesteps[index], run.style[index]
    if run.denoising.style_noise < 1:
        t = round(run.denoising.style_noise * t)
        signal = run.scene.family.noise_levels()[t]
        z = signal.sqrt() * run.scene.style + (1 - signal).sqrt() * run.style_noise
    return Row(z, t, run.scene.text, run.scene.style_depth, run.scene.image)


def _with_statistics(run: Process, z: Float[Tensor, "1 C h w"], index: int) -> Float[Tensor, "1 C h w"]:
    """AdaIN (Cross-Image Attention, section 3.3): z in the statistics of z^app at the same noise level, within its window."""
    adain_to, last = run.denoising.adain, len(run.schedule.timesteps)
    fraction = 1.0 if index == last else run.schedule.fraction(run.schedule.timesteps[index])
    if adain_to == "none" or not active(run.denoising.adain_window, fraction):
        return z
    return run.scene.with_statistics(adain_to, z, run.style[index], run.strength)
