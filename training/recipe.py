"""A Recipe: all that decides how one model is learned, as one frozen value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor

from models.image.views import View
from training.networks.architectures import Network


@dataclass(frozen=True)
class Recipe:
    """name: the served name, the same in URL, file, metric label and load test.

    data: a data set of training/data/sources.py. view: how pictures become pixels; goes into the card.
    augment: float32 (N, C, H, W) in [0, 1] -> the same shape and range.
    learning_rate: the peak of a one-cycle schedule. patience: epochs without a better validation
    loss before training stops. pages: how many digits on photographed pages are made from the
    training pictures and learned from too (training/data/synthetic/pages.py). frozen_body: the first
    module of the network's body describes pictures and is not trained (training/fitting/transfer.py).
    half_weights: the file stores them as float16. hints: facts about the pictures (Examples.facts) that
    the network learns to tell as well, with the weight of their loss: predicting more about a car improves
    its price. finish: fields that change for a second, shorter training of the same network. floors:
    metrics of the exported file on the test split below which (above which, for errors) no file is
    kept.
    """

    name: str
    summary: str
    task: Literal["classification", "regression"]
    data: str
    view: View
    network: Callable[[], Network]
    augment: Callable[[Tensor], Tensor]
    epochs: int
    batch_size: int
    learning_rate: float
    labels: tuple[str, ...] = ()
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    patience: int = 10
    pages: int = 0
    seed: int = 0
    frozen_body: bool = False
    half_weights: bool = False
    hints: Mapping[str, float] = field(default_factory=dict)
    finish: Mapping[str, Any] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)

    def with_changes(self, **changes: int | None) -> "Recipe":
        """The same recipe with the fields changed that are not None."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})
