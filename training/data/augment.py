"""Augmentation of whole batches: the ways in which uploads differ from the data.

Each function takes and returns float32 (N, C, H, W) in [0, 1] on any device and draws its random
numbers from torch's global generator, which `fit` seeds.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def none(pictures: Tensor) -> Tensor:
    """No augmentation."""
    return pictures


def handwriting(pictures: Tensor) -> Tensor:
    """Other handwriting and pens: slant, size, stroke width, faint ink, noise, blur.

    The distortions of Simard et al. (ICDAR 2003), and the defects that the `digit` view leaves in.
    """
    pictures = _stroke_width(pictures, fraction=0.5)
    pictures = _warp(pictures, degrees=12, scale=(0.82, 1.12), shear=0.3, shift=0.08, wobble=0.055)
    return _ink(pictures)


def handwriting_or_distorted(pictures: Tensor) -> Tensor:
    """Half of the pictures as by `handwriting`, the others as by `distorted`."""
    return _pick(0.5, handwriting(pictures), distorted(pictures))


def distorted(pictures: Tensor) -> Tensor:
    """Other handwriting: the distortions of Simard et al. (ICDAR 2003), no other pens."""
    return _warp(pictures, degrees=10, scale=(0.85, 1.12), shear=0.2, shift=0.07, wobble=0.05)


def garment(pictures: Tensor) -> Tensor:
    """Other photos of clothing: mirrored, shifted, rotated, nearer or farther."""
    return _warp(pictures, degrees=5, scale=(0.9, 1.1), shear=0.05, shift=0.08, wobble=0.0, mirror=True)


def street(pictures: Tensor) -> Tensor:
    """Other photos of a car: scaled, tilted, off centre, mirrored, in other light."""
    count = len(pictures)
    pictures = _warp(pictures, degrees=4, scale=(0.8, 1.35), shear=0.05, shift=0.12, wobble=0.0, mirror=True)
    grey = pictures.mean(dim=1, keepdim=True)
    pictures = grey + _uniform(count, 0.4, 1.5, pictures) * (pictures - grey)
    tint = 1 + 0.08 * torch.randn(count, 3, 1, 1, device=pictures.device)
    pictures = pictures * tint * _uniform(count, 0.7, 1.3, pictures)
    contrast = _uniform(count, 0.75, 1.25, pictures)
    return (0.5 + contrast * (pictures - 0.5)).clamp(0, 1)


def photo(pictures: Tensor) -> Tensor:
    """Other photos of the same thing: nearer or farther, tilted, off centre, mirrored, in other light."""
    count = len(pictures)
    pictures = _warp(pictures, degrees=8, scale=(0.85, 1.4), shear=0.05, shift=0.08, wobble=0.0, mirror=True)
    contrast, light = _uniform(count, 0.8, 1.2, pictures), _uniform(count, 0.8, 1.25, pictures)
    return (0.5 + contrast * (pictures * light - 0.5)).clamp(0, 1)


def feature_cutout(pictures: Tensor) -> Tensor:
    """Feature maps of any range: half of them mirrored, half with a window set to 0.

    Cutout (DeVries and Taylor, 2017) on features instead of pixels.
    """
    count, _, height, width = pictures.shape
    mirrored = torch.rand(count, 1, 1, 1, device=pictures.device) < 0.5
    pictures = torch.where(mirrored, pictures.flip(3), pictures)
    window = _window(count, height, pictures)[:, :, None] & _window(count, width, pictures)[:, None, :]
    return _pick(0.5, pictures.masked_fill(window[:, None], 0.0), pictures)


def _window(count: int, length: int, like: Tensor) -> Tensor:
    """A random interval of up to half the length, as a mask: bool (count, length)."""
    centre = torch.randint(0, length, (count, 1), device=like.device)
    reach = torch.randint(0, max(length // 4, 1) + 1, (count, 1), device=like.device)
    return (torch.arange(length, device=like.device) - centre).abs() <= reach


def _uniform(count: int, low: float, high: float, like: Tensor) -> Tensor:
    """A random number for each picture: float32 (count, 1, 1, 1)."""
    return torch.empty(count, 1, 1, 1, device=like.device).uniform_(low, high)


def _pick(fraction: float, changed: Tensor, pictures: Tensor) -> Tensor:
    """The changed version of a random fraction of the batch."""
    chosen = torch.rand(len(pictures), 1, 1, 1, device=pictures.device) < fraction
    return torch.where(chosen, changed, pictures)


def _warp(
    pictures: Tensor,
    degrees: float,
    scale: tuple[float, float],
    shear: float,
    shift: float,
    wobble: float,
    mirror: bool = False,
) -> Tensor:
    """An affine map and a smooth displacement of each picture.

    `shift` and `wobble` are in halves of the picture.
    """
    count, channels, height, width = pictures.shape
    size = (height, width)

    def draw(low: float, high: float) -> Tensor:
        return torch.empty(count, device=pictures.device).uniform_(low, high)

    angle = draw(-degrees, degrees) * math.pi / 180
    # Divided by the scale because the map leads from the new picture to the old one.
    factor_x, factor_y = 1 / draw(*scale), 1 / draw(*scale)
    slant = draw(-shear, shear)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.zeros(count, 2, 3, device=pictures.device)
    theta[:, 0, 0], theta[:, 0, 1] = cos * factor_x, (slant * cos - sin) * factor_x
    theta[:, 1, 0], theta[:, 1, 1] = sin * factor_y, (slant * sin + cos) * factor_y
    theta[:, :, 2] = torch.empty(count, 2, device=pictures.device).uniform_(-shift, shift)
    if mirror:
        theta[:, 0, :] *= torch.where(draw(-1, 1) > 0, 1.0, -1.0)[:, None]
    grid = F.affine_grid(theta, [count, channels, *size], align_corners=False)
    if wobble:
        coarse = wobble * torch.randn(count, 2, 5, 5, device=pictures.device)
        field = F.interpolate(coarse, size=size, mode="bicubic", align_corners=True)
        grid = grid + field.permute(0, 2, 3, 1)
    padding = "zeros" if channels == 1 else "reflection"
    return F.grid_sample(pictures, grid, padding_mode=padding, align_corners=False)


def _stroke_width(pictures: Tensor, fraction: float) -> Tensor:
    """Strokes about half a pixel thicker or thinner.

    By a 3x3 dilation or erosion at twice the size.
    """
    draw = torch.rand(len(pictures), device=pictures.device)
    changed = pictures.clone()
    for sign, chosen in ((1, draw < fraction / 2), (-1, draw > 1 - fraction / 2)):
        before = pictures[chosen]
        large = F.interpolate(before, scale_factor=2.0, mode="bilinear", align_corners=False)
        after = sign * F.avg_pool2d(F.max_pool2d(sign * large, 3, stride=1, padding=1), 2)
        if sign < 0:
            # Erosion fades thin strokes: their peak goes back to full ink, or they stay as they were.
            peak = after.amax(dim=(2, 3), keepdim=True)
            after = torch.where(peak > 0.3, after / peak.clamp_min(0.3), before)
        changed[chosen] = after
    return changed


def _ink(pictures: Tensor) -> Tensor:
    """Blur, hard or soft edges, faint ink, noise, each on a part of the batch."""
    count = len(pictures)
    blurred = F.avg_pool2d(pictures, 3, stride=1, padding=1, count_include_pad=False)
    blurred = blurred / blurred.amax(dim=(2, 3), keepdim=True).clamp_min(0.3)
    pictures = _pick(0.15, blurred, pictures)
    pictures = _pick(0.2, ((pictures - 0.5) * 4 + 0.5).clamp(0, 1), pictures)
    pictures = pictures.pow(_uniform(count, 0.7, 1.5, pictures))
    pictures = _pick(0.3, pictures * _uniform(count, 0.6, 1.0, pictures), pictures)
    noise = _uniform(count, 0.0, 0.12, pictures) * torch.randn_like(pictures)
    return _pick(0.3, pictures + noise, pictures).clamp(0, 1)
