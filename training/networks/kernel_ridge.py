"""Ridge regression in a Gaussian kernel: an answer by likeness to pictures that are known."""

import torch
from torch import Tensor, nn


class KernelRidge(nn.Module):
    """A smooth function of how alike a picture's features are to those of some training pictures.

    With landmarks instead of all training pictures (Nystroem's method, Williams and Seeger, NIPS 2000).
    Answers 0 until it is fitted.
    """

    centre: Tensor
    scale: Tensor
    landmarks: Tensor
    weights: Tensor

    def __init__(self, features: int, landmarks: int = 1000) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("landmarks", torch.zeros(landmarks, features))
        self.register_buffer("weights", torch.zeros(landmarks, 1))

    def forward(self, features: Tensor) -> Tensor:
        """float32 (N, F) -> (N, 1)."""
        return self._likeness((features - self.centre) * self.scale) @ self.weights

    @torch.no_grad()
    def fit(self, features: Tensor, answers: Tensor, importance: Tensor, ridge: float = 1.0) -> None:
        """Least squares, each picture weighing its importance, against `ridge` times the squared norm of
        the function.

        features: (N, F), of unit mean squared distance from their mean once scaled, which makes 1 the
        natural width of the kernel. answers, importance: (N,).
        """
        self.centre.copy_(features.mean(0))
        self.scale.copy_((features - self.centre).square().sum(1).mean().clamp_min(1e-12).rsqrt())
        known = (features - self.centre) * self.scale
        chosen = torch.randperm(len(known), generator=torch.Generator().manual_seed(0))[: len(self.landmarks)]
        # Where there are fewer pictures than landmarks, the others stay at the centre, unused.
        count = len(chosen)
        self.landmarks[:count] = known[chosen]
        likeness = self._likeness(known)[:, :count].double()
        weighted = likeness * importance.double()[:, None]
        normal = weighted.T @ likeness + ridge * likeness[chosen]
        normal.diagonal().add_(1e-6)
        self.weights[:count, 0] = torch.linalg.solve(normal, weighted.T @ answers.double()).float()

    def _likeness(self, features: Tensor) -> Tensor:
        """(N, F), centred and scaled -> (N, landmarks), 1 for the same features, towards 0 for others."""
        squared = features.square().sum(1, keepdim=True) + self.landmarks.square().sum(1)
        return torch.exp(2 * features @ self.landmarks.T - squared)
