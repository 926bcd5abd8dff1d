"""BERT's encoder in as few lines as training and export need (Devlin et al., 2018), with a mean-pooled head."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

_HEADS = 12
_WIDTH = 384


class Layer(nn.Module):
    """Self-attention and feed-forward, normalised after each."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(_WIDTH, _WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(_WIDTH, 4 * _WIDTH), nn.Linear(4 * _WIDTH, _WIDTH)
        self.norm_attention, self.norm_output = (nn.LayerNorm(_WIDTH, eps=1e-12) for _ in range(2))

    def forward(self, hidden: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """`hidden` [batch, tokens, width]; `bias` [batch, 1, 1, tokens], very negative where there is padding."""

        def heads(projected: torch.Tensor) -> torch.Tensor:
            return projected.view(projected.shape[0], projected.shape[1], _HEADS, -1).transpose(1, 2)

        query, key, value = heads(self.query(hidden)), heads(self.key(hidden)), heads(self.value(hidden))
        scores = query @ key.transpose(-1, -2) / (query.shape[-1] ** 0.5) + bias
        mixed = (torch.softmax(scores, dim=-1) @ value).transpose(1, 2).reshape(hidden.shape)
        hidden = self.norm_attention(hidden + self.out(mixed))
        output: torch.Tensor = self.norm_output(hidden + self.down(nn.functional.gelu(self.up(hidden))))
        return output


class Encoder(nn.Module):
    """Token ids and mask [batch, tokens] → logits [batch, outputs]."""

    def __init__(self, vocabulary: int, positions: int, layers: int, outputs: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, _WIDTH)
        self.positions = nn.Embedding(positions, _WIDTH)
        self.types = nn.Parameter(torch.zeros(_WIDTH))
        self.norm = nn.LayerNorm(_WIDTH, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.head = nn.Linear(_WIDTH, outputs)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Padding has no part in the result."""
        return self.encode(self.words(ids), mask)

    def encode(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """From word vectors on."""
        seen = mask.to(words.dtype)
        places = torch.arange(words.shape[1])
        hidden = self.norm(words + self.positions(places)[None] + self.types)
        bias = (1.0 - seen)[:, None, None, :] * -1e4
        for layer in self.layers:
            hidden = layer(hidden, bias)
        pooled = (hidden * seen[:, :, None]).sum(1) / seen.sum(1, keepdim=True)
        logits: torch.Tensor = self.head(pooled)
        return logits


def load_encoder(folder: Path, *, layers: int, outputs: int) -> Encoder:
    """The first `layers` layers of a sentence-transformers MiniLM, embeddings frozen, a new head."""
    found = load_file(folder / "model.safetensors")
    found = {name.removeprefix("bert."): value.float() for name, value in found.items()}
    words = found["embeddings.word_embeddings.weight"]
    model = Encoder(words.shape[0], found["embeddings.position_embeddings.weight"].shape[0], layers, outputs)
    state = {
        "words.weight": words,
        "positions.weight": found["embeddings.position_embeddings.weight"],
        "types": found["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": found["embeddings.LayerNorm.weight"],
        "norm.bias": found["embeddings.LayerNorm.bias"],
    }
    names = {
        "attention.self.query": "query", "attention.self.key": "key", "attention.self.value": "value",
        "attention.output.dense": "out", "attention.output.LayerNorm": "norm_attention",
        "intermediate.dense": "up", "output.dense": "down", "output.LayerNorm": "norm_output",
    }  # fmt: skip
    for number in range(layers):
        for theirs, ours in names.items():
            for kind in ("weight", "bias"):
                state[f"layers.{number}.{ours}.{kind}"] = found[f"encoder.layer.{number}.{theirs}.{kind}"]
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any(not name.startswith("head.") for name in missing):
        message = f"not the weights of a MiniLM: {missing} {unexpected}"
        raise ValueError(message)
    for frozen in (model.words, model.positions, model.norm):
        frozen.requires_grad_(requires_grad=False)
    model.types.requires_grad_(requires_grad=False)
    return model
