# SPDX-License-Identifier: Apache-2.0
"""Long short-term memory over tokens, as a torch module with a training loss of its own."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ("Recurrent",)


class Recurrent(nn.Module):
    """Tokens (n, length), int64, to logits (n, classes) of what comes next.

    ``every_step``: the training loss is the mean over all places of a window, not that of the last alone.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        embedding: int,
        hidden: int,
        layers: int,
        dropout: float,
        classes: int,
        every_step: bool,
    ) -> None:
        super().__init__()
        self.every_step = every_step
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden, layers, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden, classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes) after the last token."""
        return self._logits(self._states(tokens)[:, -1])

    def training_loss(self, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the targets (n,), or of all that follows a token."""
        if not self.every_step:
            return nn.functional.cross_entropy(self(tokens), targets)
        following = torch.cat([tokens[:, 1:], targets[:, None]], dim=1)
        logits = self._logits(self._states(tokens))
        return nn.functional.cross_entropy(logits.flatten(0, 1), following.flatten())

    def _states(self, tokens: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.lstm(self.embedding(tokens))[0]
        return states

    def _logits(self, states: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.dropout(states))
        return logits
