"""Auxiliary tasks: what a network learns to predict beside its own task while it is trained.

Predicting the maker of a car teaches features that its price depends on. The extra heads are dropped after
training.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.data.splits import Examples
from training.recipe import Recipe

LABEL_SMOOTHING = 0.1


class MultiTaskNetwork(nn.Module):
    """The recipe's network, and one linear head on its features for each auxiliary task (recipe.hints)."""

    def __init__(self, recipe: Recipe, train: Examples) -> None:
        super().__init__()
        self.network = recipe.network()
        self.loss_weights = dict(recipe.hints)
        self.classes = {name: sorted(set(train.facts[name]) - {""}) for name in self.loss_weights}
        width = self.network.head.in_features
        self.heads = nn.ModuleDict({
            name: nn.Linear(width, len(classes)) for name, classes in self.classes.items()
        })  # fmt: skip

    def forward(self, pictures: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Scores of the main task, float32 (N, outputs), and logits (N, classes) of each auxiliary one."""
        features = self.network.features(pictures)
        return self.network.scores(features), {name: head(features) for name, head in self.heads.items()}

    def encode(self, examples: Examples, device: torch.device) -> dict[str, Tensor]:
        """The class index of each auxiliary task, int64 (N,); -1 where the fact is unknown."""
        encoded = {}
        for name, classes in self.classes.items():
            index = {label: number for number, label in enumerate(classes)}
            encoded[name] = torch.tensor([index.get(fact, -1) for fact in examples.facts[name]]).to(device)
        return encoded

    def auxiliary_losses(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor | float:
        """The weighted sum of the cross entropies, float32 (N,); 0 where there is no auxiliary task.

        Args:
            logits: Float32 (N, classes) for each task.
            targets: Int64 (N,) for each task, as `encode` makes them; -1 adds no loss.
        """
        return sum(
            weight
            * F.cross_entropy(
                logits[name].float(),
                targets[name],
                ignore_index=-1,
                label_smoothing=LABEL_SMOOTHING,
                reduction="none",
            )
            for name, weight in self.loss_weights.items()
        )
