"""Tiny random segmentation checkpoints made of the real transformers classes and their real image processors, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

NAMES = ("wall", "floor, flooring", "Sofa, couch", "potted_plant", "lamp", "sky-other-merged")
LABELS = {"id2label": dict(enumerate(NAMES)), "label2id": {name: id for id, name in enumerate(NAMES)}}
SIZE = {"shortest_edge": 64, "longest_edge": 128}


def swin() -> Any:
    """A tiny Swin backbone."""
    from transformers import SwinConfig

    return SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip


def mask2former(folder: Path) -> Path:
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, Mask2FormerImageProcessorPil

    config = Mask2FormerConfig(
        backbone_config=swin(), num_queries=5, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_layers=1, decoder_layers=2,
        num_attention_heads=2, encoder_feedforward_dim=16, dim_feedforward=16, **LABELS,
    )  # fmt: skip
    return _saved(folder, Mask2FormerForUniversalSegmentation, config, Mask2FormerImageProcessorPil(size=SIZE))


def maskformer(folder: Path) -> Path:
    from transformers import (
        DetrConfig,
        MaskFormerConfig,
        MaskFormerForInstanceSegmentation,
        MaskFormerImageProcessorPil,
    )

    decoder = DetrConfig(
        num_queries=5, d_model=16, encoder_layers=0, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16,
    )  # fmt: skip
    config = MaskFormerConfig(
        backbone_config=swin(), decoder_config=decoder, fpn_feature_size=32, mask_feature_size=32, **LABELS
    )
    return _saved(folder, MaskFormerForInstanceSegmentation, config, MaskFormerImageProcessorPil(size=SIZE))


def oneformer(folder: Path) -> Path:
    from transformers import OneFormerConfig, OneFormerForUniversalSegmentation, OneFormerImageProcessorPil

    config = OneFormerConfig(
        backbone_config=swin(), num_queries=5, hidden_dim=32, conv_dim=32, mask_dim=32, encoder_layers=1, decoder_layers=2,
        num_attention_heads=2, encoder_feedforward_dim=16, dim_feedforward=16, query_dec_layers=1, text_encoder_width=32,
        text_encoder_num_layers=1, text_encoder_vocab_size=32, text_encoder_context_length=8, task_seq_len=8, use_auxiliary_loss=False,
        **LABELS,
    )  # fmt: skip
    words(folder, ("the", "task", "is", "panoptic"), length=8)
    return _saved(folder, OneFormerForUniversalSegmentation, config, OneFormerImageProcessorPil(size=SIZE))


def eomt(folder: Path, *, split: bool = False) -> Path:
    """Padded below and to the right as the panoptic checkpoints are, or cut into squares as the semantic ones."""
    from transformers import EomtConfig, EomtForUniversalSegmentation, EomtImageProcessorPil

    config = EomtConfig(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, image_size=64, patch_size=8, num_queries=5, num_blocks=1,
        num_upscale_blocks=1, **LABELS,
    )  # fmt: skip
    size = {"shortest_edge": 64, "longest_edge": None if split else 64}
    processor = EomtImageProcessorPil(size=size, do_split_image=split, do_pad=not split)
    return _saved(folder, EomtForUniversalSegmentation, config, processor)


def segformer(folder: Path, kind: str = "SegformerForSemanticSegmentation") -> Path:
    """A semantic model, or another model of that family."""
    import transformers

    config = transformers.SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        **LABELS,
    )
    processor = transformers.SegformerImageProcessorPil(size={"height": 64, "width": 64})
    return _saved(folder, getattr(transformers, kind), config, processor)


def mobilevit(folder: Path) -> Path:
    """A semantic model whose image processor would cut out the middle of a picture."""
    from transformers import MobileViTConfig, MobileViTForSemanticSegmentation, MobileViTImageProcessorPil

    config = MobileViTConfig(
        image_size=64, hidden_sizes=[16, 16, 16], neck_hidden_sizes=[8, 8, 8, 8, 8, 8, 8], num_attention_heads=2,
        aspp_out_channels=8, output_stride=8, **LABELS,
    )  # fmt: skip
    processor = MobileViTImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
    return _saved(folder, MobileViTForSemanticSegmentation, config, processor)


PANOPTIC = {"mask2former": mask2former, "maskformer": maskformer, "oneformer": oneformer, "eomt": eomt}
SEMANTIC = {"segformer": segformer, "mobilevit": mobilevit, "eomt-split": lambda folder: eomt(folder, split=True)}


def clipseg(folder: Path) -> Path:
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation, ViTImageProcessorPil

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    config = CLIPSegConfig(
        text_config=small | {"vocab_size": 16, "max_position_embeddings": 16, "eos_token_id": 2, "bos_token_id": 3, "pad_token_id": 0},
        vision_config=small | {"image_size": 32, "patch_size": 8}, projection_dim=16, extract_layers=[0, 1, 2], reduce_dim=8,
        decoder_num_attention_heads=2, decoder_intermediate_size=16, conditional_layer=0,
    )  # fmt: skip
    words(folder, ("<eos>", "a", "photo", "of", "ottoman", "lamp", "red", "chair"), length=16)
    return _saved(folder, CLIPSegForImageSegmentation, config, ViTImageProcessorPil(size={"height": 32, "width": 32}))


def grounding_dino(folder: Path) -> Path:
    """Its model looks for BERT's ids of [CLS], [SEP], full stop and question mark."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import (
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessorPil,
        PreTrainedTokenizerFast,
    )  # fmt: skip

    special = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}
    known = special | {"ottoman": 1030, "lamp": 1031, "red": 1032, "chair": 1033}
    known |= {f"unused{id}": id for id in range(1034) if id not in known.values()}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 101), ("[SEP]", 102)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    ).save_pretrained(folder)  # fmt: skip
    text = BertConfig(
        vocab_size=1034,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
    )
    vision = swin()
    vision.out_features = ["stage2", "stage3", "stage4"]
    config = GroundingDinoConfig(
        backbone_config=vision, text_config=text, num_queries=6, d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2, max_text_len=32,
    )  # fmt: skip
    processor = GroundingDinoImageProcessorPil(size={"shortest_edge": 96, "longest_edge": 192})
    return _saved(folder, GroundingDinoForObjectDetection, config, processor)


def sam(folder: Path) -> Path:
    from transformers import SamConfig, SamImageProcessorPil, SamModel

    config = SamConfig(
        vision_config={"hidden_size": 16, "output_channels": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64,
                       "patch_size": 8, "mlp_dim": 16, "window_size": 4, "num_pos_feats": 8, "global_attn_indexes": [0]},
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 16, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "iou_head_hidden_dim": 16},
    )  # fmt: skip
    processor = SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    return _saved(folder, SamModel, config, processor)


def words(folder: Path, vocabulary: tuple[str, ...], *, length: int) -> None:
    """A tokenizer that knows a few whole words, with 0 for padding."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = {word: id for id, word in enumerate(("<pad>", "<unk>", *vocabulary))}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", model_max_length=length
    ).save_pretrained(folder)


def _saved(folder: Path, kind: Any, config: Any, processor: Any) -> Path:
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    kind(config).eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
