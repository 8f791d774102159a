"""transformers' models from their own source, on torch and on torchcompat.

The default run takes a few families; `TORCHCOMPAT_WHOLE=1` takes all of these.
"""

import json

import pytest
import torch

import converters
import torchcompat
from tests._ported import WHOLE, check_close, check_model, ours, randomise

native = pytest.importorskip("transformers")

TEXT = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = {**TEXT, "intermediate_size": 64, "max_position_embeddings": 64}
DECODER = {**WIDE, "num_key_value_heads": 2}
IMAGE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}
SEQUENCES = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "vocab_size": 99,
}
SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
AUDIO = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (16, 16),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 40,
}


def ids(*names):
    def make():
        found = {
            "input_ids": torch.randint(3, 99, (2, 9)),
            "attention_mask": torch.ones(2, 9).long(),
        }
        found["attention_mask"][1, 6:] = 0
        return {**found, **{name: torch.randint(3, 99, (2, 5)) for name in names}}

    return make


def pixels():
    return {"pixel_values": torch.randn(2, 3, 32, 32)}


# Model class, configuration class and its options, inputs: one row a family.
CASES = {
    "bert": ("BertForMaskedLM", "BertConfig", WIDE, ids()),
    "gpt2": (
        "GPT2LMHeadModel",
        "GPT2Config",
        {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
        ids(),
    ),
    "llama": ("LlamaForCausalLM", "LlamaConfig", DECODER, ids()),
    "mixtral": ("MixtralForCausalLM", "MixtralConfig", {**DECODER, "num_local_experts": 4}, ids()),
    "t5": (
        "T5ForConditionalGeneration",
        "T5Config",
        {
            "vocab_size": 99,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 64,
            "num_layers": 2,
            "num_heads": 4,
            "decoder_start_token_id": 0,
        },
        ids("decoder_input_ids"),
    ),
    "vit": ("ViTForImageClassification", "ViTConfig", IMAGE, pixels),
    "wav2vec2": (
        "Wav2Vec2ForCTC",
        "Wav2Vec2Config",
        AUDIO,
        lambda: {"input_values": torch.randn(2, 800)},
    ),
}
REST = {
    "albert": ("AlbertModel", "AlbertConfig", {**WIDE, "embedding_size": 16}, ids()),
    "bart": (
        "BartForConditionalGeneration",
        "BartConfig",
        {**SEQUENCES, **SPECIAL, "max_position_embeddings": 64},
        ids("decoder_input_ids"),
    ),
    "clip": (
        "CLIPModel",
        "CLIPConfig",
        {
            "text_config": {**WIDE, **SPECIAL},
            "vision_config": IMAGE,
            "projection_dim": 16,
        },
        lambda: {**ids()(), **pixels()},
    ),
    "convnext": (
        "ConvNextForImageClassification",
        "ConvNextConfig",
        {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1], "image_size": 32},
        pixels,
    ),
    "deberta_v2": (
        "DebertaV2Model",
        "DebertaV2Config",
        {
            **WIDE,
            "relative_attention": True,
            "position_buckets": 8,
            "pos_att_type": ["p2c", "c2p"],
            "norm_rel_ebd": "layer_norm",
        },
        ids(),
    ),
    "distilbert": (
        "DistilBertModel",
        "DistilBertConfig",
        {"vocab_size": 99, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
        ids(),
    ),
    "electra": ("ElectraModel", "ElectraConfig", {**WIDE, "embedding_size": 16}, ids()),
    "gemma": ("GemmaForCausalLM", "GemmaConfig", {**DECODER, "head_dim": 8}, ids()),
    "gpt_neox": ("GPTNeoXForCausalLM", "GPTNeoXConfig", WIDE, ids()),
    "mamba": ("MambaModel", "MambaConfig", {**TEXT, "state_size": 8, "time_step_rank": 4}, ids()),
    "mamba2": (
        "Mamba2Model",
        "Mamba2Config",
        {
            **{key: TEXT[key] for key in ("vocab_size", "hidden_size", "num_hidden_layers")},
            "num_heads": 8,
            "head_dim": 8,
            "state_size": 8,
            "n_groups": 2,
            "chunk_size": 4,
        },
        ids(),
    ),
    "mistral": ("MistralForCausalLM", "MistralConfig", {**DECODER, "sliding_window": 4}, ids()),
    "mpnet": ("MPNetModel", "MPNetConfig", WIDE, ids()),
    "opt": (
        "OPTForCausalLM",
        "OPTConfig",
        {
            **TEXT,
            **SPECIAL,
            "ffn_dim": 64,
            "word_embed_proj_dim": 32,
            "max_position_embeddings": 64,
        },
        ids(),
    ),
    "qwen2": ("Qwen2ForCausalLM", "Qwen2Config", DECODER, ids()),
    "roberta": ("RobertaModel", "RobertaConfig", {**WIDE, **SPECIAL}, ids()),
    "swin": (
        "SwinModel",
        "SwinConfig",
        {
            "image_size": 32,
            "patch_size": 2,
            "embed_dim": 16,
            "depths": [1, 2],
            "num_heads": [2, 4],
            "window_size": 4,
        },
        pixels,
    ),
    "whisper": (
        "WhisperForConditionalGeneration",
        "WhisperConfig",
        {
            **SEQUENCES,
            **SPECIAL,
            "num_mel_bins": 16,
            "max_source_positions": 20,
            "max_target_positions": 20,
            "decoder_start_token_id": 1,
        },
        lambda: {
            "input_features": torch.randn(2, 16, 40),
            "decoder_input_ids": torch.randint(3, 99, (2, 5)),
        },
    ),
}
ALL = {**CASES, **REST}


def both(name, **more):
    """The same model natively and ported, the native one's weights random."""
    from torchcompat.ported import transformers as ported

    model, config, options, _ = ALL[name]
    torch.manual_seed(0)
    made = []
    for library in (native, ported):
        settings = getattr(library, config)(**options, **more)
        made.append(getattr(library, model)(settings))
    assert isinstance(made[1], torchcompat.nn.Module)
    return made


@pytest.mark.parametrize("name", ALL if WHOLE else CASES)
def test_transformers(name):
    theirs, own = both(name)
    torch.manual_seed(1)
    inputs = ALL[name][3]()
    kwargs = {"use_cache": False} if "input_ids" in inputs and name in USES_CACHE else {}
    check_model(theirs, own, eager=WHOLE or name == "bert", **inputs, **kwargs)


USES_CACHE = {
    *(
        "gpt2",
        "llama",
        "gemma",
        "gpt_neox",
        "mamba",
        "mamba2",
        "mistral",
        "opt",
        "qwen2",
        "t5",
        "bart",
    )
}


def with_weights(name):
    theirs, own = both(name)
    randomise(theirs)
    own.load_state_dict(converters.from_torch(theirs.state_dict()))
    return theirs.eval(), own.eval()


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_decoder_step_with_its_cache(name):
    theirs, own = with_weights(name)
    torch.manual_seed(2)
    first, second = torch.randint(3, 99, (2, 6)), torch.randint(3, 99, (2, 1))
    results = []
    for model, convert in ((theirs, lambda x: x), (own, ours)):
        library = torch if model is theirs else torchcompat
        with library.no_grad():
            out = model(convert(first), use_cache=True)
            step = model(convert(second), past_key_values=out.past_key_values, use_cache=True)
        results.append((out.logits, step.logits))
    check_close(*results)


@pytest.mark.parametrize("name", ["gpt2", "llama", "t5"])
def test_greedy_generation_gives_torchs_tokens(name):
    theirs, own = with_weights(name)
    torch.manual_seed(3)
    prompt = torch.randint(3, 99, (2, 5))
    options = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    expected = theirs.generate(prompt, **options)
    actual = own.generate(ours(prompt), **options)
    assert actual.tolist() == expected.tolist()


# How the next token is chosen: one row a way; the default run takes the first.
WAYS = {
    "sampling": {"do_sample": True, "top_k": 20, "top_p": 0.9, "temperature": 0.8},
    "penalties": {"do_sample": True, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "sampled beams": {"num_beams": 3, "do_sample": True},
    "typical": {"do_sample": True, "typical_p": 0.8},
    "cutoffs": {"do_sample": True, "min_p": 0.1, "eta_cutoff": 1e-3, "epsilon_cutoff": 1e-3},
    "bad words": {"min_new_tokens": 5, "bad_words_ids": [[3], [4, 5]]},
    "watermark": {"watermarking_config": {"greenlist_ratio": 0.5}},
    "static cache": {"cache_implementation": "static"},
    "no cache": {"use_cache": False},
    "looked up": {"prompt_lookup_num_tokens": 3},
}


@pytest.mark.parametrize("way", WAYS if WHOLE else [*WAYS][:1])
@pytest.mark.parametrize("name", ["llama", "gpt2", "t5"] if WHOLE else ["llama"])
def test_generation_in_other_ways_gives_torchs_tokens(name, way):
    theirs, own = with_weights(name)
    torch.manual_seed(3)
    prompt = torch.randint(3, 99, (2, 6))
    mask = torch.ones_like(prompt)
    mask[1, :2] = 0
    found = []
    for library, model, convert in ((torch, theirs, lambda x: x), (torchcompat, own, ours)):
        library.manual_seed(7)
        given = {"attention_mask": convert(mask), "max_new_tokens": 6, "pad_token_id": 0}
        options = {**WAYS[way], **({} if way == "looked up" else given)}
        found.append(
            model.generate(convert(prompt[:1] if way == "looked up" else prompt), **options)
        )
    assert found[1].tolist() == found[0].tolist()


def test_from_pretrained_of_a_local_directory(tmp_path):
    from torchcompat.ported import transformers as ported

    theirs, _ = both("bert")
    theirs.eval().save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    own = ported.BertForMaskedLM.from_pretrained(tmp_path)
    auto = ported.AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert type(auto) is type(own)
    inputs = ids()()
    with torch.no_grad(), torchcompat.no_grad():
        expected = theirs(**inputs)
        check_close(expected, own.eval()(**ours(inputs)))
    own.save_pretrained(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())["hidden_size"] == 32
    again = native.BertForMaskedLM.from_pretrained(tmp_path / "again")
    for (name, a), b in zip(theirs.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
