"""A BERT encoder written the torch way; the parameter names are those of published checkpoints.

`load(library)` gives the same source under another import, so that the two can be compared.
"""

import importlib
import sys
import types
from pathlib import Path

import torchcompat as torch
from torchcompat import nn
from torchcompat.nn import functional as F


class Embeddings(nn.Module):
    """Sum of word, position and segment embeddings, normalised."""

    def __init__(self, config):
        super().__init__()
        size = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], size, padding_idx=0)
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], size)
        self.token_type_embeddings = nn.Embedding(config["type_vocab_size"], size)
        self.LayerNorm = nn.LayerNorm(size, eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])
        positions = torch.arange(config["max_position_embeddings"]).expand(1, -1)
        self.register_buffer("position_ids", positions)

    def forward(self, ids):
        x = self.word_embeddings(ids)
        x = x + self.token_type_embeddings(torch.zeros_like(ids))
        x = x + self.position_embeddings(self.position_ids[:, : ids.shape[1]])
        return self.dropout(self.LayerNorm(x))


class SelfAttention(nn.Module):
    """Scaled dot-product attention over several heads."""

    def __init__(self, config):
        super().__init__()
        size = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x, mask):
        query, key, value = (self.split(f(x)) for f in (self.query, self.key, self.value))
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return y.transpose(1, 2).reshape(x.shape)


class AddAndNorm(nn.Module):
    """A projection, then dropout, residual sum and normalisation."""

    def __init__(self, config, width):
        super().__init__()
        self.dense = nn.Linear(width, config["hidden_size"])
        self.LayerNorm = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])

    def forward(self, x, residual):
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self = SelfAttention(config)
        self.output = AddAndNorm(config, config["hidden_size"])

    def forward(self, x, mask):
        return self.output(self.self(x, mask), x)


class Intermediate(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config["hidden_size"], config["intermediate_size"])

    def forward(self, x):
        return F.gelu(self.dense(x))


class Layer(nn.Module):
    """One Transformer block: attention, then a feed-forward network."""

    def __init__(self, config):
        super().__init__()
        self.attention = Attention(config)
        self.intermediate = Intermediate(config)
        self.output = AddAndNorm(config, config["intermediate_size"])

    def forward(self, x, mask):
        x = self.attention(x, mask)
        return self.output(self.intermediate(x), x)


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))

    def forward(self, x, mask):
        for layer in self.layer:
            x = layer(x, mask)
        return x


class Pooler(nn.Module):
    """A projection of the first token; part of the checkpoints, not of sentence embeddings."""

    def __init__(self, config):
        super().__init__()
        self.dense = nn.Linear(config["hidden_size"], config["hidden_size"])

    def forward(self, x):
        return torch.tanh(self.dense(x[:, 0]))


class BertModel(nn.Module):
    """Token ids to one vector a token.

    Shape:
        Input: ids and mask (N, L), int64; the mask is 1 for tokens and 0 for padding.
        Output: (N, L, hidden_size).
    """

    def __init__(self, config):
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        self.pooler = Pooler(config)

    def forward(self, ids, mask):
        return self.encoder(self.embeddings(ids), mask[:, None, None, :].bool())


class SentenceEncoder(nn.Module):
    """The mean of the token vectors, scaled to length 1.

    Shape:
        Input: ids and mask (N, L), int64.
        Output: (N, hidden_size).
    """

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, ids, mask):
        weights = mask.unsqueeze(-1).float()
        total = (self.bert(ids, mask) * weights).sum(1)
        return F.normalize(total / weights.sum(1), dim=1)


def load(library: str) -> types.ModuleType:
    """This file with `library` imported in place of torchcompat, and nothing else changed."""
    importlib.import_module(library)
    module = types.ModuleType(f"bert_under_{library}")
    source = Path(__file__).read_text().replace("torchcompat", library)
    sys.modules[module.__name__] = module
    exec(compile(source, __file__, "exec"), module.__dict__)
    return module
