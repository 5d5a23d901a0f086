"""Hints: what a network is asked beside its task while it learns.

Who has to tell the makers of cars apart learns to see what prices depend on. The heads that answer are
needed for training only.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.data.splits import Examples
from training.recipe import Recipe


class MultiTaskNetwork(nn.Module):
    """The network and, for each hint of the recipe, one more linear head on its features."""

    def __init__(self, recipe: Recipe, train: Examples) -> None:
        super().__init__()
        self.network = recipe.network()
        self.shares = dict(recipe.hints)
        self.known = {name: sorted(set(train.facts[name]) - {""}) for name in self.shares}
        width = self.network.head.in_features
        self.heads = nn.ModuleDict({name: nn.Linear(width, len(k)) for name, k in self.known.items()})

    def forward(self, pictures: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        features = self.network.features(pictures)
        return self.network.scores(features), {name: head(features) for name, head in self.heads.items()}

    def encode(self, part: Examples, where: torch.device) -> dict[str, Tensor]:
        """int64 (N,) for each hint: the number of its class, -1 where the fact is unknown."""
        coded = {}
        for name, known in self.known.items():
            number = {fact: code for code, fact in enumerate(known)}
            coded[name] = torch.tensor([number.get(fact, -1) for fact in part.facts[name]]).to(where)
        return coded

    def hint_losses(
        self, guesses: Mapping[str, Tensor], hints: Mapping[str, Tensor], index: Tensor
    ) -> Tensor:
        """float32 (N,): the weighted cross entropies of all hints."""
        total = torch.zeros(len(index), device=index.device)
        for name, share in self.shares.items():
            total = total + share * F.cross_entropy(
                guesses[name].float(),
                hints[name][index],
                ignore_index=-1,
                label_smoothing=0.1,
                reduction="none",
            )
        return total
