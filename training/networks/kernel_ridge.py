"""Ridge regression in a Gaussian kernel: prediction by likeness to known pictures."""

import numpy as np
import torch
from torch import Tensor, nn

JITTER = 1e-6
"""Added to the penalty's diagonal: landmarks that are alike make the kernel singular."""


class KernelRidge(nn.Module):
    """A smooth function of the likeness to some training pictures, by their features.

    With landmarks instead of all training pictures (Nystroem's method, Williams and Seeger, NIPS 2000).
    scikit-learn fits the weights; the module predicts, so that it can go into an ONNX graph. It predicts
    0 until it is fitted.

    Attributes:
        centre: float32 (F,), the mean of the training features.
        scale: float32 (), or (F,) where features were given factors; brings the mean squared distance from
            the centre to 1.
        landmarks: float32 (L, F), centred and scaled features of training pictures.
        weights: float32 (L, 1), the weight of each landmark's kernel.
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
        """Predict: float32 (N, F) -> (N, 1)."""
        x = (features - self.centre) * self.scale
        squared_distance = (
            x.square().sum(1, keepdim=True) + self.landmarks.square().sum(1) - 2 * x @ self.landmarks.T
        )
        return torch.exp(-squared_distance) @ self.weights

    @torch.no_grad()
    def fit(
        self,
        features: Tensor,
        targets: Tensor,
        sample_weight: Tensor,
        ridge: float = 1.0,
        factors: Tensor | None = None,
    ) -> None:
        """Weighted least squares plus `ridge` times the squared norm of the function.

        The features are scaled to a mean squared distance of 1 from their mean, which makes 1 the natural
        width of the kernel.

        Args:
            features: float32 (N, F).
            targets: float32 (N,).
            sample_weight: float32 (N,), 0 for pictures that are not learned from.
            ridge: Greater than 0.
            factors: float32 (F,), what differences of each feature count; all the same by default.
        """
        # Imported here: scikit-learn takes a second to load, and only cars-transfer needs it.
        from sklearn.linear_model import Ridge
        from sklearn.metrics.pairwise import rbf_kernel

        self.centre.copy_(features.mean(0))
        factors = torch.ones(()) if factors is None else factors
        spread = ((features - self.centre) * factors).square().sum(1).mean()
        self.scale = factors * spread.clamp_min(1e-12).rsqrt()
        scaled = (features - self.centre) * self.scale
        shuffled = torch.randperm(len(scaled), generator=torch.Generator().manual_seed(0))
        chosen = shuffled[: len(self.landmarks)]
        # With fewer pictures than landmarks, the other landmarks stay at the centre with weight 0.
        count = len(chosen)
        self.landmarks[:count] = scaled[chosen]
        x, landmarks = scaled.double().numpy(), scaled[chosen].double().numpy()
        penalty = ridge * rbf_kernel(landmarks, gamma=1.0) + JITTER * np.eye(count)
        # In these coordinates the squared norm of the function is that of the coefficients: Ridge's penalty.
        whiten = np.linalg.inv(np.linalg.cholesky(penalty)).T
        model = Ridge(alpha=1.0, fit_intercept=False)
        model.fit(rbf_kernel(x, landmarks, gamma=1.0) @ whiten, targets.numpy(), sample_weight.numpy())
        self.weights.zero_()
        self.weights[:count, 0] = torch.from_numpy(whiten @ model.coef_)
