"""A Recipe: how one model is trained, as one frozen value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor

from models.image.views import View
from training.networks.architectures import Network


@dataclass(frozen=True)
class Recipe:
    """Data, network and training of one model, and the metrics it must reach.

    Attributes:
        name: The served name, the same in URL, file, metric label and load test.
        summary: One sentence for the card.
        task: Which kind of card and metrics the model has.
        data: A data set of training/data/sources.py.
        view: How pictures become pixels; goes into the card.
        network: Makes the untrained network.
        augment: float32 (N, C, H, W) in [0, 1] -> the same shape and range.
        epochs: Passes over the training pictures, at most.
        batch_size: Pictures.
        learning_rate: The peak of a one-cycle schedule.
        labels: Names of the classes, in the order of the network's outputs; empty for a regressor.
        weight_decay: Of AdamW; of Adam's L2 where gradients are written by hand.
        by_hand: Trained in NumPy (training/fitting/from_scratch): "templates" by the lectures' rule
            W += lr * E X^T, for one linear layer, "backpropagation" by the chain rule and Adam.
        label_smoothing: Of the cross entropy, 0 to 1.
        patience: Epochs without a better validation loss before training stops.
        pages: Digits on photographed pages that are added to the training pictures
            (training/data/synthetic/pages.py).
        teacher: What is trained first, on the same data; this network learns its scores
            (training/fitting/distillation.py).
        views: Augmented views of each training picture that the teacher scores; together they are an epoch.
        outliers: Pictures of anything else that the network learns to tell from those of its classes, beside
            its task (training/data/synthetic/outliers.py).
        seed: Of weights, batches, augmentation and pages.
        frozen_body: The first module of the network's body is not trained (training/fitting/transfer.py).
        half_weights: The file stores large weights as float16.
        hints: Facts about the pictures (Examples.facts) that the network learns to predict as well, with
            the weight of their loss: predicting more about a car improves its price.
        finish: Fields that change for a second, shorter training of the same network.
        floors: Metrics of the exported file on the test split; an accuracy below its floor, or an error
            above it, leaves no file.
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
    by_hand: Literal["templates", "backpropagation"] | None = None
    label_smoothing: float = 0.0
    patience: int = 10
    pages: int = 0
    teacher: "Recipe | None" = None
    views: int = 1
    outliers: int = 0
    seed: int = 0
    frozen_body: bool = False
    half_weights: bool = False
    hints: Mapping[str, float] = field(default_factory=dict)
    finish: Mapping[str, Any] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)

    def with_changes(self, **changes: int | None) -> "Recipe":
        """The same recipe with the fields changed that are not None."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})
