"""What a convolution sees: receptive field, padding, output channels, measured on digits-cnn's network."""

import torch
from torch import Tensor, nn

from training.course.learning.review.answer import Answer
from training.course.page import Table
from training.networks.architectures import digits_small_cnn

SIDE = 28


def receptive_side(body: nn.Sequential) -> int:
    """Side of the square of pixels that one unit of the last map depends on, by formula.

    Each layer adds (kernel - 1) times the product of the strides before it.
    """
    side, step = 1, 1
    for layer in body:
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
            kernel, stride = (
                size if isinstance(size, int) else size[0] for size in (layer.kernel_size, layer.stride)
            )
            side += (kernel - 1) * step
            step *= stride
    return side


def measured_side(body: nn.Sequential) -> int:
    """The same by gradients: how far pixels lie apart that change the unit in the middle of the last map."""
    pictures = torch.rand(16, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0), requires_grad=True)
    maps: Tensor = body(pictures)
    middle = maps.shape[-1] // 2
    maps[:, :, middle, middle].sum().backward()  # type: ignore[no-untyped-call]
    assert pictures.grad is not None
    rows = pictures.grad.abs().sum((0, 1, 3)).nonzero()
    return int(rows.max() - rows.min() + 1)


def ask() -> list[Answer]:
    """Walk through the convolutions of the served digits network."""
    torch.manual_seed(0)
    body = digits_small_cnn().body.eval()
    assert isinstance(body, nn.Sequential)
    rows, agree = [], True
    for end, layer in enumerate(body, 1):
        if not isinstance(layer, nn.Conv2d):
            continue
        formula, measured = receptive_side(body[:end]), measured_side(body[:end])
        # The picture's own edge cuts off what lies outside.
        agree &= measured == min(formula, SIDE) or (formula > SIDE // 2 and measured <= formula)
        name = f"{layer.in_channels} to {layer.out_channels}, stride {layer.stride[0]}"
        rows.append((name, f"{formula} x {formula}", f"{measured} x {measured}"))
    without = nn.Sequential(*(nn.Conv2d(1, 1, 3) for _ in range(7)))(torch.zeros(1, 1, SIDE, SIDE)).shape[-1]
    kernels = nn.Conv2d(32, 64, 3)
    weights = kernels.weight.detach().flatten(1)
    alike = max(
        float(torch.cosine_similarity(one, other, dim=0))
        for i, one in enumerate(weights)
        for other in weights[:i]
    )
    return [
        Answer(
            "What is a receptive field, and why is there padding?",
            "The receptive field of a unit is the part of the picture that can change it. By formula each"
            " layer adds its kernel's side less one, times the strides before it; the pixels to which the"
            " gradient of one unit reaches say the same, but for the picture's edge. Without padding seven"
            f" convolutions of 3 x 3 would leave {without} of {SIDE} pixels, and the pixels at the edge"
            " would be seen less often than the others.",
            agree,
            [Table(("convolution of digits-cnn", "receptive field", "by gradient"), rows)],
            {
                "receptive_field": float(receptive_side(body)),
                "agree": float(agree),
                "unpadded": float(without),
            },
        ),
        Answer(
            "How many channels does conv2d(..., ..., 64) make, and how do they differ?",
            f"64, one for each kernel. The kernels have the same shape, {tuple(kernels.weight.shape[1:])}"
            " behind 32 channels, and start from different random weights: the most similar two of an"
            f" untrained layer have a cosine of {alike:.2f}. Were two equal, and the weights behind them,"
            " their gradients would be equal too, and they would stay so for ever.",
            kernels.weight.shape[0] == 64 and alike < 0.5,
            values={"channels": float(kernels.weight.shape[0]), "most_alike": alike},
        ),
    ]
