"""BERT's encoder in as few lines as training and export need (Devlin et al., 2018), with a pooled head."""

from __future__ import annotations

import torch
from torch import nn

from inference.training.pretrained import Pretrained

_HEADS = 12
_FAR = -1e4
"""Added to the scores of padding; still finite in half precision."""


class Layer(nn.Module):
    """Self-attention and feed-forward, normalised after each."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm_attention, self.norm_output = (nn.LayerNorm(width, eps=1e-12) for _ in range(2))

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

    def __init__(self, words: torch.Tensor, positions: int, layers: int, outputs: int) -> None:
        """`words` [vocabulary, width] stay as they are: they are stored as narrow as they came."""
        super().__init__()
        width = words.shape[1]
        self.words = nn.Embedding.from_pretrained(words, freeze=True)
        self.positions = nn.Parameter(torch.zeros(positions, width), requires_grad=False)
        self.types = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(Layer(width) for _ in range(layers))
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(2 * width, outputs)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Padding has no part in the result."""
        return self.encode(self.words(ids), mask)

    def encode(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """From word vectors on. Pooled by mean (what the line is about) and by maximum (the one word that matters)."""
        seen = mask.to(words.dtype)
        hidden = self.norm(words + self.positions[: words.shape[1]][None] + self.types)
        bias = (1.0 - seen)[:, None, None, :] * _FAR
        for layer in self.layers:
            hidden = layer(hidden, bias.to(hidden.dtype))
        hidden = hidden.float()
        mean = (hidden * seen[:, :, None]).sum(1) / seen.sum(1, keepdim=True)
        most = (hidden + (1.0 - seen)[:, :, None] * _FAR).amax(1)
        logits: torch.Tensor = self.head(self.dropout(torch.cat([mean, most], dim=1)))
        return logits


def load_encoder(found: Pretrained, rows: list[int], *, positions: int, layers: int, outputs: int) -> Encoder:
    """The first `layers` layers with the word vectors of `rows`, and a new head."""
    words = torch.from_numpy(found.tensor("emb.word", found.width)[rows])
    model = Encoder(words, positions, layers, outputs)
    width = found.width
    state = {
        "positions": found.tensor("emb.pos", width)[:positions],
        "types": found.tensor("emb.type", width)[0],
        "norm.weight": found.tensor("emb.ln.w"),
        "norm.bias": found.tensor("emb.ln.b"),
    }
    names = {"q": "query", "k": "key", "v": "value", "ao": "out", "fi": "up", "fo": "down"}
    norms = {"aln": "norm_attention", "oln": "norm_output"}
    for number in range(layers):
        for theirs, ours in names.items():
            columns = 4 * width if theirs == "fo" else width
            state[f"layers.{number}.{ours}.weight"] = found.tensor(f"l{number}.{theirs}.w", columns)
        for theirs, ours in norms.items():
            state[f"layers.{number}.{ours}.weight"] = found.tensor(f"l{number}.{theirs}.w")
        for theirs, ours in (names | norms).items():
            state[f"layers.{number}.{ours}.bias"] = found.tensor(f"l{number}.{theirs}.b")
    missing, unexpected = model.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()}, strict=False)
    if unexpected or any(not name.startswith(("head.", "words.")) for name in missing):
        raise ValueError(f"not such an encoder: {missing} {unexpected}")
    return model
