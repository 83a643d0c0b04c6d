"""The numbers of every method: as the papers print them, as their released code has them, and Relook's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from relook.errors import InputError
from relook.transfer.settings import Denoising, Finish, FreeU, Preset, Swap

CROSS_IMAGE = Preset(Denoising(
    steps=100, inversion_guidance=3.5,
    attention=(Swap((0.5,), (0.1, 0.7)), Swap((1.0,), (0.1, 0.9))), masked=False, contrast=1.67,
    guidance="appearance", scale=(3.5, 3.5), depth=False,
    adain="foreground", freeu=FreeU(backbone=(1.2, 1.2, 1.4), skip=(0.9, 0.9, 0.2)),
))  # fmt: skip
"""Cross-Image Attention, paper, section 3 and appendix A."""

RESTYLE3D = Preset(Denoising(
    steps=100,
    attention=(Swap((0.5, 1.0), (0.1, 0.7)),), masking="multiplied", contrast=1.67,
    guidance="semantic", scale=(2.0, 1.0),
    adain="global",
))  # fmt: skip
"""ReStyle3D stage 1, paper, section 3.2 (eq. 4 and 5); contrast and AdaIN as in Cross-Image Attention."""

EYE = Preset(Denoising(
    steps=100, start=0.68, inversion_guidance=3.5,
    attention=(Swap((0.5, 1.0), (0.1, 0.7)),), masked=False, rearrange="features",
    guidance="prompt", scale=(2.5, 2.5), depth=False,
    adain="global", adain_window=(0.5, 1.0),
))  # fmt: skip
"""Eye-for-an-eye, as the method is described."""

STYLE_ID = Preset(Denoising(
    steps=50, inversion="ddim", start_adain="global", eta=0.0,
    attention=(Swap((0.5, 1.0)),), masked=False, query_share=0.75, temperature=1.5,
    no_prompt=True, depth=False,
))  # fmt: skip
"""Style Injection in Diffusion (Chung, Hyun and Heo 2024), section 4 and its implementation details: decoder layers 7 to 12."""

IP_ADAPTER = Preset(Denoising(
    steps=50, inversion="none", eta=0.0,
    attention=(), masked=False, guidance="prompt", scale=(7.5, 7.5), image_scale=1.0,
))  # fmt: skip
"""IP-Adapter (Ye et al. 2023), section 4: from fresh noise, the structure through the depth ControlNet."""

RELOOK = Preset(
    Denoising(steps=20, start=0.9, inversion="none", recolour=True, eta=0.0, style_noise=0.3),
    Finish(
        statistics=True, edge_share=0.6, plain_share=0.9, unmatched_share=0.8, relight=True, textures=True
    ),
)  # fmt: skip
"""Relook's default: from the structure's latents in the style's statistics (AdaIN per class) under much noise, by semantic attention
with exact masks to a style picture that is cleaner than the output, with depth; one prediction a step. Edges and plain surfaces come from
the structure picture in the style's materials and light, patterns from the style picture itself where depth tells how they lie on its
surfaces, and from the denoiser where it does not. Tuned on pairs of seed 7."""

PRESETS: Mapping[str, Mapping[str, Preset]] = {
    "restyle3d": {
        "relook": RELOOK,
        "paper": RESTYLE3D,
        "released": replace(
            RESTYLE3D.but(
                steps=120, start=1 - 32 / 120, attention=(Swap((0.5, 1.0), (32 / 120 + 10 / 120, 32 / 120 + 70 / 120)),), clip=True,
                guidance="semantic-released", adain_window=(32 / 120 + 20 / 120, 1.0),
                freeu=FreeU(backbone=(1.5, 1.6), skip=(0.9, 0.2)),
            ),
            minimum_area=0.01,
        ),
        "adain": Preset(Denoising(start=0.0, inversion="none", recolour=True, attention=(), depth=False)),
    },
    "cross-image-attention": {
        "relook": RELOOK.but(masked=False, contrast=1.67, style_noise=1.0),
        "paper": CROSS_IMAGE,
        "released": CROSS_IMAGE.but(
            start=0.68, attention=(Swap((0.5, 1.0), (0.42, 1.0)),), clip=True, scale=(3.5, 1.75),
            injection_share=0.2, injection_window=(0.32, 0.72), adain_window=(0.52, 1.0),
            freeu=FreeU(backbone=(1.2, 1.2, 1.4), skip=(0.9, 0.9, 0.2), lowpass="backbone"),
        ),
    },
    "eye-for-an-eye": {
        "relook": RELOOK.but(rearrange="features", style_noise=1.0),
        "paper": EYE,
        "released": EYE.but(
            attention=(Swap((0.5, 1.0), (0.42, 1.0)),),
            injection_share=0.2, injection_window=(0.32, 0.72), adain_window=(0.82, 1.0),
        ),
        "values": EYE.but(rearrange="values"),
        "matched": EYE.but(matcher="embedded"),
    },
    "style-id": {
        "relook": replace(STYLE_ID.but(steps=20, masked=True, start_adain="class"), finish=RELOOK.finish),
        "paper": STYLE_ID,
        "released": STYLE_ID.but(start=0.98),
    },
}  # fmt: skip
"""Method -> preset name -> numbers. `relook` is the default; `adain` only moves the latents' statistics. Of Eye-for-an-eye `values`
rearranges values alone, and `matched` is the paper's with the dense matches of the embedded descriptor in place of the hidden states'.
Style Injection's code skips the noisiest of its 50 steps. ReStyle3D's code drops classes that fill less than 1 % of either picture."""

PROMPTED: Mapping[str, Mapping[str, Preset]] = {
    "ip-adapter": {
        "relook": RELOOK.but(attention=(), masked=False, guidance="prompt", scale=(7.5, 7.5), image_scale=1.0),
        "paper": IP_ADAPTER,
        "released": IP_ADAPTER.but(steps=30),
    },
}
"""The same for methods without attention to the style picture: it is a prompt, so the family needs an adapter. The code's default of 30
steps is the only thing in which `released` differs; the words of praise that it adds to every prompt are the user's to give."""


def preset_of(method: str, name: str = "relook") -> Preset:
    """A preset by name. Raises InputError that lists the names there are."""
    methods = {**PRESETS, **PROMPTED}
    if method not in methods:
        raise InputError(f"Expected a method out of {', '.join(methods)}, got {method!r}; choose one of them.")
    if name not in methods[method]:
        raise InputError(
            f"Expected a preset of {method} out of {', '.join(methods[method])}, got {name!r}; choose one of them."
        )
    return methods[method][name]
