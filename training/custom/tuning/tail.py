"""The tail of a trunk: its last blocks, which learn on from the maps that the frozen ones have made."""

import copy
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor, nn

from training.networks.device import best_device

EPOCHS = 5
BATCH_SIZE = 32
MIN_STEPS = 60
"""Of few pictures there are more epochs: five steps teach nothing."""

RATE = 3e-4
"""Of the blocks, which know much already; their head, which knows nothing, has HEAD_RATE times as much."""

HEAD_RATE = 10
WEIGHT_DECAY = 0.05
DROPOUT = 0.2


class Tail(nn.Module):
    """Last blocks, in eval mode for good: maps, flattened, float32 (N, C * H * W) -> features (N, T).

    With the statistics of a few hundred grey pictures batch normalisation would forget what it knows.
    """

    def __init__(self, blocks: nn.Module, shape: tuple[int, ...]) -> None:
        """Wrap blocks that take maps (N, C, H, W); shape: (C, H, W)."""
        super().__init__()
        self.blocks, self.shape = blocks.eval(), shape

    def forward(self, maps: Tensor) -> Tensor:
        """The features."""
        features: Tensor = self.blocks(maps.unflatten(1, self.shape))
        return features


class Appended(nn.Module):
    """Features and maps float32 (N, F + C * H * W) -> the features, and a tail's beside them (N, F + T)."""

    def __init__(self, tail: Tail, width: int) -> None:
        """Take a tail; width: F."""
        super().__init__()
        self.tail, self.width = tail, width

    def forward(self, described: Tensor) -> Tensor:
        """Both."""
        return torch.cat([described[:, : self.width], self.tail(described[:, self.width :])], dim=1)


class TunedTail(nn.Module):
    """A tail and a linear head, trained together: maps -> scores (N, K)."""

    def __init__(self, tail: Tail, outputs: int) -> None:
        """Copy a tail; the head answers 0 until it is trained."""
        super().__init__()
        self.tail = copy.deepcopy(tail)
        with torch.no_grad():
            width = tail(torch.zeros(1, math.prod(tail.shape))).shape[1]
        self.head = nn.Linear(width, outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, maps: Tensor, dropout: float = 0.0) -> Tensor:
        """The scores."""
        scores: Tensor = self.head(F.dropout(self.tail(maps), dropout))
        return scores

    @torch.no_grad()
    def scores(self, maps: npt.NDArray[np.float16]) -> Tensor:
        """Of many maps, float16 (N, C * H * W)."""
        parts = np.array_split(maps, max(1, len(maps) // BATCH_SIZE))
        return torch.cat([self(torch.from_numpy(part).float()) for part in parts])


def fit_tail(
    tuned: TunedTail,
    maps: npt.NDArray[np.float16],
    targets: Tensor,
    chosen: npt.NDArray[np.intp],
    loss: Callable[[Tensor, Tensor], Tensor],
    what: str,
) -> TunedTail:
    """Train a tail by AdamW, on a random view of each picture in every epoch; it ends on the CPU.

    Args:
        tuned: Trained in place.
        maps: float16 (N, V, C * H * W), of V views of each picture.
        targets: (N,).
        chosen: Pictures to learn from.
        loss: (scores, targets) -> the mean loss.
        what: For the progress bar.
    """
    torch.manual_seed(0)
    device = best_device()
    tuned.requires_grad_(True).to(device)
    rates = [RATE, HEAD_RATE * RATE]
    groups = [
        {"params": part.parameters(), "lr": rate} for part, rate in zip(tuned.children(), rates, strict=True)
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
    epochs = max(EPOCHS, math.ceil(MIN_STEPS / math.ceil(len(chosen) / BATCH_SIZE)))
    batches = [batch for _ in range(epochs) for batch in torch.randperm(len(chosen)).split(BATCH_SIZE)]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=len(batches), pct_start=0.2)
    with torch.backends.cudnn.flags(enabled=True, deterministic=True):
        for batch in track(batches, what):
            index = chosen[batch.numpy()]
            views = torch.randint(maps.shape[1], (len(index),)).numpy()
            seen = torch.from_numpy(maps[index, views]).to(device).float()
            value = loss(tuned(seen, DROPOUT).cpu(), targets[torch.from_numpy(index)])
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return tuned.requires_grad_(False).cpu()
