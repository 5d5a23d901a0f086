"""What all questions share: an answer, a few thousand digits, and the plainest training loop."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.image.views import DigitView
from training.course.page import Block
from training.course.workbench import Workbench
from training.data.sources import load

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Answer:
    """A question of the lectures and what a run says to it.

    Attributes:
        question: In words of this course.
        text: The answer, with its figures.
        holds: Whether the run shows what a lecture would answer.
        blocks: What goes with it: tables, pictures.
        values: The figures by name.
    """

    question: str
    text: str
    holds: bool
    blocks: Sequence[Block] = ()
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Digits:
    """Digits of MNIST: float32 (N, 1, 28, 28) in [0, 1] and int64 (N,), of two parts."""

    train: Tensor
    classes: Tensor
    test: Tensor
    test_classes: Tensor

    def first(self, count: int) -> "Digits":
        """With the first `count` training pictures only."""
        return Digits(self.train[:count], self.classes[:count], self.test, self.test_classes)


def load_digits(workbench: Workbench) -> Digits:
    """6,000 digits to train on and 2,000 to test on; a small run has half as many."""
    trained, tested = workbench.size(6000, 3000), workbench.size(2000, 1000)
    splits = load("mnist", DigitView(), workbench.data, 10 * tested)
    parts = []
    for part, count in ((splits.train, trained), (splits.test, tested)):
        few = part[:count]
        parts += [
            torch.from_numpy(few.pixels).permute(0, 3, 1, 2).float() / 255,
            torch.from_numpy(few.targets),
        ]
    return Digits(*parts)


def mlp(hidden: int = 100, dropout: float = 0.0) -> nn.Sequential:
    """784 pixels, one hidden layer, ten scores, from weights that are always the same."""
    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(784, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 10)]
    return nn.Sequential(*layers)


def shuffled_batches(count: int, size: int, epochs: int) -> Iterator[Tensor]:
    """The indices of one batch after the other, in a new order in every epoch."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        yield from torch.randperm(count, generator=generator).split(size)


def train(
    network: nn.Module,
    digits: Digits,
    batches: Iterator[Tensor],
    rate: float = 0.1,
    loss_of: Loss = F.cross_entropy,
    augment: Callable[[Tensor], Tensor] = lambda pictures: pictures,
) -> list[float]:
    """Plain gradient descent, one step for each batch; the loss of each."""
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    losses = []
    network.train()
    for index in batches:
        loss = loss_of(network(augment(digits.train[index])), digits.classes[index])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def accuracy(network: nn.Module, pictures: Tensor, classes: Tensor) -> float:
    """The fraction of pictures whose highest score is that of their class; dropout is off."""
    return float((network.eval()(pictures).argmax(1) == classes).float().mean())


@torch.no_grad()
def mean_loss(network: nn.Module, pictures: Tensor, classes: Tensor) -> float:
    """The mean cross entropy; dropout is off."""
    return float(F.cross_entropy(network.eval()(pictures), classes))
