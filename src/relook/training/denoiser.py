"""Train the embedded denoiser, depth control and text encoder together, on pairs of pictures of one style.

Plain training does not teach a small network to fetch a look from another picture. So every sample is a pair: two rooms in
one style; the second gives its keys and values to the decoder's self-attention of the first, through the very edit that the
transfer uses (relook.transfer.edit), class by class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from relook.dollhouse import CLASSES, sample_layout
from relook.ops.groups import Groups, class_groups
from relook.ops.statistics import adain_by_class
from relook.training.autoencoder import CHANNELS
from relook.training.data import World
from relook.training.loop import LoopConfig, Stage, train_stages
from relook.training.vocabulary import LENGTH, build_tokenizer, describe
from relook.transfer.edit import AttentionEdit, Rows, edited
from relook.types import Depth

FRESH, MEMORY = 0.25, 6000
"""Share of a batch that is drawn anew, and how many of the last pairs the rest is drawn from."""
WIDTH = 64
"""Features of the text encoder."""


class Generator(nn.Module):
    """The parts that train together."""

    def __init__(self, channels: tuple[int, int, int] = (48, 112, 192)) -> None:
        super().__init__()
        self.tokenizer = build_tokenizer()
        self.text_encoder = small_text_encoder(self.tokenizer)
        self.unet = UNet2DConditionModel(
            sample_size=32, in_channels=CHANNELS, out_channels=CHANNELS, block_out_channels=channels, layers_per_block=1,
            down_block_types=("DownBlock2D", "DownBlock2D", "DownBlock2D"), mid_block_type="UNetMidBlock2DCrossAttn",
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=WIDTH, attention_head_dim=(2, 4, 4), norm_num_groups=16,
        )  # fmt: skip
        self.controlnet = ControlNetModel.from_unet(self.unet, conditioning_embedding_out_channels=(16, 32, 64))

    def save(self, folder: Path) -> None:
        """Write every part in half precision, in the layout of diffusers' pipelines."""
        for name in ("unet", "controlnet", "text_encoder"):
            getattr(self, name).half().save_pretrained(folder / name)
            getattr(self, name).float()
        self.tokenizer.save_pretrained(folder / "tokenizer")
        small_scheduler().save_pretrained(folder / "scheduler")


def small_text_encoder(tokenizer: PreTrainedTokenizerFast) -> CLIPTextModel:
    """Two layers over the small vocabulary."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=LENGTH, projection_dim=WIDTH,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return CLIPTextModel(config)


def small_scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise curve, with v-prediction (Salimans & Ho 2022), which rewards colour at high noise."""
    return DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type="v_prediction",
        clip_sample=False, set_alpha_to_one=False, steps_offset=1,
    )  # fmt: skip


@dataclass(frozen=True)
class Pairs:
    """A batch of B pairs in R = 2 B rows: rows 0..B-1 are outputs, rows B..2B-1 their styles."""

    latents: Float[Tensor, "R C h w"]
    recoloured: Float[Tensor, "B C h w"]
    """The outputs' rooms in other styles, their latents moved class by class to the statistics of the style pictures: what a
    transfer starts from when it does not start from pure noise."""
    disparity: Float[Tensor, "R 3 H W"]
    tokens: Int[Tensor, "R T"]
    classes: dict[tuple[int, int], Int[Tensor, "R N"]]
    """Majority class of every token at each grid."""

    def mask(self, grid: tuple[int, int], _: tuple[int, int]) -> Groups:
        """Output token n may take from style token m when their classes agree."""
        output, style = (self.classes[grid] + 1).chunk(2)
        shown = (output[:, :, None] == style[:, None]).any(2)
        return class_groups(output * shown, style, unmatched="nothing")


def grid_classes(classes: Int[Tensor, "B H W"], grid: tuple[int, int]) -> Int[Tensor, "B N"]:
    """Class that covers most of each token."""
    shares = F.adaptive_avg_pool2d(F.one_hot(classes, len(CLASSES)).permute(0, 3, 1, 2).float(), grid)
    return shares.argmax(1).flatten(1)


class PairStream(Iterator[Pairs]):
    """Endless pairs of rooms of one kind in one style, encoded; FRESH of each batch is new, the rest drawn from the last ones."""

    def __init__(
        self, world: World, rooms: list[str], autoencoder: AutoencoderKL, tokenizer: PreTrainedTokenizerFast, batch: int, seed: int
    ) -> None:  # fmt: skip
        self.world, self.rooms, self.autoencoder, self.tokenizer = world, rooms, autoencoder, tokenizer
        self.batch = batch
        self.rng = np.random.default_rng(seed)
        self.of_kind = {kind: [i for i, r in enumerate(rooms) if r == kind] for kind in sorted(set(rooms))}
        size = world.geometry.depth.shape[-2:]
        self.grids = [(size[0] // f, size[1] // f) for f in (4, 8, 16)]
        geometry = world.geometry
        self.disparity = torch.stack([Depth(d, "metric").disparity() for d in geometry.depth])
        self.classes = {g: torch.cat([grid_classes(c, g) for c in geometry.classes.split(64)]) for g in self.grids}
        self.names = [[CLASSES[i] for i in c.unique().tolist()] for c in geometry.classes]
        self.stored: list[tuple[int, int, int, Tensor]] = []  # room, room of the style picture, style, latents

    def __next__(self) -> Pairs:
        fresh = self.batch if len(self.stored) < 8 * self.batch else max(1, round(self.batch * FRESH))
        items = self._new(fresh)
        if fresh < self.batch:
            items += [self.stored[i] for i in self.rng.integers(len(self.stored), size=self.batch - fresh)]
        self.stored = (self.stored + items[:fresh])[-MEMORY:]
        rooms = torch.tensor([item[side] for side in (0, 1) for item in items])
        latents = torch.cat([torch.stack([item[3][side] for item in items]) for side in (0, 1)])
        prompts = [self._prompt(i, item[2]) for i, item in zip(rooms.tolist(), items + items, strict=True)]
        encoded = self.tokenizer(prompts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
        recoloured = torch.stack([item[3][2] for item in items])
        return Pairs(
            latents, recoloured, self.disparity[rooms][:, None].expand(-1, 3, -1, -1), encoded.input_ids,
            {grid: classes[rooms] for grid, classes in self.classes.items()},
        )  # fmt: skip

    def _prompt(self, room: int, style: int) -> str:
        """Words for six pictures in ten."""
        shown = self.rng.random() > 0.4
        return describe(self.rooms[room], self.world.styles[style], self.names[room], self.rng) if shown else ""

    @torch.no_grad()
    def _new(self, count: int) -> list[tuple[int, int, int, Tensor]]:
        kinds = self.rng.choice(list(self.of_kind), size=count)
        first, second = (torch.tensor([int(self.rng.choice(self.of_kind[k])) for k in kinds]) for _ in range(2))
        styles, others = (torch.from_numpy(self.rng.integers(len(self.world.styles), size=count)) for _ in range(2))
        pictures = self.world.colour(torch.cat([first, second, first]), torch.cat([styles, styles, others]))
        latents = self.autoencoder.encode((pictures * 2 - 1).to(memory_format=torch.channels_last)).latent_dist.mean
        a, b, c = latents.contiguous().chunk(3)
        items, grid = [], self.grids[0]
        for i in range(count):
            classes = [self.classes[grid][int(room[i])].view(grid) + 1 for room in (first, second)]
            start = adain_by_class(c[i : i + 1], b[i : i + 1], *classes, unmatched=True)[0]
            items.append((int(first[i]), int(second[i]), int(styles[i]), torch.stack([a[i], b[i], start])))
        return items


def _started(pairs: Pairs, noise: Tensor, t: Tensor, scheduler: DDIMScheduler) -> Tensor:
    """Noisy outputs; half of those at middling noise (0.25 to 0.85) hold some of the recoloured room."""
    answer = pairs.latents[: len(noise)]
    share = torch.rand(len(noise)).sqrt() * (torch.rand(len(noise)) < 0.6) * (t > 250) * (t < 850)
    return scheduler.add_noise(torch.lerp(answer, pairs.recoloured, share.view(-1, 1, 1, 1)), noise, t)


def _timesteps(count: int) -> Int[Tensor, " B"]:
    """Half uniform, half logit-normal (Esser et al. 2024), which asks most where a picture takes its shape and colour."""
    uniform, middle = torch.rand(count), torch.sigmoid(0.3 + torch.randn(count))
    return (1000 * torch.where(torch.rand(count) < 0.5, uniform, middle)).long().clamp_max(999)


def pair_loss(generator: Generator, pairs: Pairs, scheduler: DDIMScheduler) -> dict[str, Tensor]:
    """v-prediction error of both pictures of every pair.

    In half of the pairs the output row holds, under its noise, a share of the recoloured room instead of the answer, so that
    runs that begin there are led to the answer: the goal is always v = (sqrt(a) x_t - x_0) / sqrt(1 - a) for the true x_0.
    One batch in eight attends to itself only; the others take class by class from their style row, alone or beside
    themselves. The style row is as noisy as the output row, or much cleaner (0.3 t), as the transfer may choose.
    """
    latents, count = pairs.latents, len(pairs.latents) // 2
    t = _timesteps(count)
    cleaner = torch.where(torch.rand(count) < 0.6, 0.3, 1.0)
    timesteps = torch.cat([t, (t * cleaner).long()])
    noise = torch.randn_like(latents)
    noisy = scheduler.add_noise(latents, noise, timesteps).to(memory_format=torch.channels_last)
    noisy[:count] = _started(pairs, noise[:count], t, scheduler)
    signal = scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    goal = (signal.sqrt() * noisy - latents) / (1 - signal).sqrt()
    draw = float(torch.rand(()))
    text = generator.text_encoder(pairs.tokens).last_hidden_state
    shown = (torch.rand(2 * count, 1, 1, 1) > 0.15).float()
    down, mid = generator.controlnet(noisy, timesteps, text, pairs.disparity, return_dict=False)
    residuals = {
        "down_block_additional_residuals": [d * shown for d in down], "mid_block_additional_residual": mid * shown,
    }  # fmt: skip
    if draw < 0.125:
        predicted = generator.unet(noisy, timesteps, text, **residuals).sample
    else:
        size = latents.shape[-2], latents.shape[-1]
        mask = pairs.mask if draw < 0.95 else None
        edit = AttentionEdit(Rows.pairs(count), size, keys="style" if draw < 0.6 else "both", mask=mask)
        with edited(generator.unet, edit):
            predicted = generator.unet(noisy, timesteps, text, **residuals).sample
    error = (predicted - goal).square().mean((1, 2, 3))
    output, style = error.chunk(2)
    high = output[t > 600]
    loss = output.mean() + 0.5 * style.mean()
    return {"loss": loss, "output": output.mean(), "high": high.mean() if len(high) else output.mean()}


STAGES = (Stage(64, 1200, 12, 1e-3), Stage(128, 480, 8, 8e-4, 900, 1200), Stage(128, 2300, 8, 6e-4, 1400, 1600))
"""Small pictures first: they teach where looks come from at a quarter of the cost. The last stage meets new rooms."""


def train_denoiser(
    folder: Path, autoencoder: AutoencoderKL, *, stages: Sequence[Stage] = STAGES, seed: int = 0
) -> Generator:
    """Train stage after stage, each from the averaged weights of the one before; returns the last average."""
    torch.manual_seed(seed)
    generator = Generator()
    frozen = autoencoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    scheduler = small_scheduler()

    def prepared(number: int, stage: Stage) -> tuple[PairStream, LoopConfig]:
        first = seed + 10_000 * number
        world = World.build(stage.rooms, stage.styles, (stage.size, stage.size), seed=first)
        kinds = [sample_layout(first + i).room for i in range(stage.rooms)]
        average = min(0.998, 1 - 6 / stage.steps)
        stream = PairStream(world, kinds, frozen, generator.tokenizer, stage.batch, first)
        return stream, LoopConfig(stage.steps, rate=stage.rate, average=average, every=50)

    return train_stages(generator, stages, prepared, lambda one, pairs: pair_loss(one, pairs, scheduler), folder)
