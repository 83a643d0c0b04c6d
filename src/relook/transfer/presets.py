"""The numbers of every method: as the papers print them, as their released code has them, and Relook's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from relook.errors import InputError
from relook.transfer.settings import Denoising, Finish, FreeU, Preset, Steps, Swap

CROSS_IMAGE = Preset(Denoising(
    steps=100, inversion_guidance=3.5,
    attention=(Swap((0.5,), (0.1, 0.7)), Swap((1.0,), (0.1, 0.9))), masked=False, contrast=1.67,
    guidance="appearance", scale=(3.5, 3.5), depth=False,
    adain="foreground", freeu=FreeU(backbone=(1.2, 1.4)),
))  # fmt: skip
"""Cross-Image Attention, paper, section 3 and appendix A."""

_AS_RELEASED: Mapping[str, Any] = {
    "steps": 100, "spacing": "leading", "skip": 32, "inversion_guidance": 3.5, "replay": True, "shrinking": "nearest",
    "injection": Steps(11, 40, every=5),
}  # fmt: skip
"""What the released code of the three methods has in common; that of the two later ones grew out of the first."""
_FREEU = FreeU(backbone=(1.2, 1.4), where="inputs")
"""FreeU as the code of Cross-Image Attention and Eye-for-an-eye has it."""

CROSS_IMAGE_RELEASED = CROSS_IMAGE.but(
    **_AS_RELEASED, attention=(Swap((0.5,), Steps(11, 70)), Swap((1.0,), Steps(11, 90))), clip=True, freeu=_FREEU,
    scale=(3.5, 1.75), guidance_window=Steps(10, 90), adain_window=Steps(20, 99),
)  # fmt: skip
"""Cross-Image Attention's code, to the last digit, but for its foreground: there the regions that correspond, in place of clusters of
attention. After 32 steps that are skipped 68 are run, so most windows last to the end."""

RESTYLE3D = Preset(Denoising(
    steps=100,
    attention=(Swap((0.5, 1.0), (0.1, 0.7)),), masking="multiplied", contrast=1.67,
    guidance="semantic", scale=(2.0, 1.0),
    adain="global",
))  # fmt: skip
"""ReStyle3D stage 1, paper, section 3.2 (eq. 4 and 5); contrast and AdaIN as in Cross-Image Attention."""

RESTYLE3D_RELEASED = replace(
    RESTYLE3D.but(
        **{**_AS_RELEASED, "steps": 120}, attention=(Swap((0.5, 1.0), Steps(11, 70)),), clip=True,
        guidance="semantic-released", guidance_window=Steps(10, 70), adain_window=Steps(20, 99), freeu=FreeU(),
    ),
    minimum_area=0.01,
)  # fmt: skip
"""ReStyle3D's code, stage 1, to the last digit: 88 of 120 steps. It drops classes that fill less than 1 % of either picture."""

EYE = Preset(Denoising(
    steps=100, start=0.68, inversion_guidance=3.5,
    attention=(Swap((0.5, 1.0), (0.1, 0.7)),), masked=False, rearrange="features",
    guidance="prompt", scale=(2.5, 2.5), depth=False,
    adain="global", adain_window=(0.5, 1.0),
))  # fmt: skip
"""Eye-for-an-eye, as the method is described."""

EYE_RELEASED = EYE.but(
    **_AS_RELEASED, start=1.0, attention=(Swap((0.5, 1.0), Steps(11, 70)),), guidance="prompt-released",
    adain_window=Steps(49, 99), freeu=_FREEU,
)  # fmt: skip
"""Eye-for-an-eye's code, to the last digit. It rearranges the prompted row alone, and injects the structure into the empty one."""

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
        "released": RESTYLE3D_RELEASED,
        "adain": Preset(Denoising(start=0.0, inversion="none", recolour=True, attention=(), depth=False)),
    },
    "cross-image-attention": {
        "relook": RELOOK.but(masked=False, contrast=1.67, style_noise=1.0),
        "paper": CROSS_IMAGE,
        "released": CROSS_IMAGE_RELEASED,
    },
    "eye-for-an-eye": {
        "relook": RELOOK.but(rearrange="features", style_noise=1.0),
        "paper": EYE,
        "released": EYE_RELEASED,
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
Style Injection's code skips the noisiest of its 50 steps."""

PROMPTED: Mapping[str, Mapping[str, Preset]] = {
    "ip-adapter": {
        "relook": RELOOK.but(attention=(), masked=False, guidance="prompt", scale=(7.5, 7.5), image_scale=1.0),
        "paper": IP_ADAPTER,
        "released": IP_ADAPTER.but(steps=30),
    },
}
"""The same for methods without attention to the style picture: it is a prompt, so the family needs an adapter. The code's default of 30
steps is the only thing in which `released` differs; the words of praise that it adds to every prompt are the user's to give."""


_EXACT: Mapping[str, Any] = {
    "replay": False, "masking": "exact", "shrinking": "majority", "clip": False, "adain": "class",
}  # fmt: skip
UNTUNED: Mapping[str, Preset] = {
    "restyle3d": Preset(RESTYLE3D_RELEASED.but(**_EXACT).denoising),
    "cross-image-attention": CROSS_IMAGE_RELEASED.but(**_EXACT),
    "eye-for-an-eye": EYE_RELEASED.but(**_EXACT, masked=True, guidance="prompt"),
    "style-id": PRESETS["style-id"]["released"].but(masked=True, start_adain="class"),
    "ip-adapter": PROMPTED["ip-adapter"]["released"],
}
"""Method -> `relook` for families that nothing here could be tuned on (Stable Diffusion): the released method with exact masks, statistics
class by class, and style and structure as they were drawn. Nothing is done to the decoded picture."""


def preset_of(method: str, name: str = "relook", *, tuned: bool = True) -> Preset:
    """A preset by name. tuned: whether Relook's own numbers were tuned on the family (see `UNTUNED`).

    Raises InputError that lists the names there are.
    """
    methods = {**PRESETS, **PROMPTED}
    if method not in methods:
        raise InputError(f"Expected a method out of {', '.join(methods)}, got {method!r}; choose one of them.")
    if name not in methods[method]:
        raise InputError(
            f"Expected a preset of {method} out of {', '.join(methods[method])}, got {name!r}; choose one of them."
        )
    return methods[method][name] if tuned or name != "relook" else UNTUNED[method]
