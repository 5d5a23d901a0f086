"""Whole batches of training pictures, changed the way real uploads differ from the data.

Each function takes and returns float32 (N, C, H, W) in [0, 1] on any device and draws its random
numbers from torch's global generator, which `fit` seeds.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def none(pictures: Tensor) -> Tensor:
    return pictures


def handwriting(pictures: Tensor) -> Tensor:
    """Other hands and other pens: slant, size, wobble, stroke width, faint ink, noise, blur.

    The distortions of Simard et al. (ICDAR 2003), plus what the `digit` view lets through.
    """
    pictures = _stroke_width(pictures, share=0.5)
    pictures = _warp(pictures, degrees=12, scale=(0.82, 1.12), shear=0.3, shift=0.08, wobble=0.055)
    return _ink(pictures)


def distorted(pictures: Tensor) -> Tensor:
    """Other hands only: the affine and elastic distortions of Simard et al. (ICDAR 2003)."""
    return _warp(pictures, degrees=10, scale=(0.85, 1.12), shear=0.2, shift=0.07, wobble=0.05)


def garment(pictures: Tensor) -> Tensor:
    """Clothing laid down a little differently: mirrored, shifted, turned, nearer or farther."""
    return _warp(pictures, degrees=5, scale=(0.9, 1.1), shear=0.05, shift=0.08, wobble=0.0, mirror=True)


def street(pictures: Tensor) -> Tensor:
    """Other views of a car: nearer or farther, tilted, off centre, mirrored, in another light."""
    count = len(pictures)
    pictures = _warp(pictures, degrees=4, scale=(0.8, 1.35), shear=0.05, shift=0.12, wobble=0.0, mirror=True)
    grey = pictures.mean(dim=1, keepdim=True)
    pictures = grey + _uniform(count, 0.4, 1.5, pictures) * (pictures - grey)
    tint = 1 + 0.08 * torch.randn(count, 3, 1, 1, device=pictures.device)
    pictures = pictures * tint * _uniform(count, 0.7, 1.3, pictures)
    contrast = _uniform(count, 0.75, 1.25, pictures)
    return (0.5 + contrast * (pictures - 0.5)).clamp(0, 1)


def feature_cutout(pictures: Tensor) -> Tensor:
    """Maps of a trunk, of any range: mirrored, and half of them with a window blanked out.

    DeVries and Taylor (Cutout, 2017), on features instead of pixels.
    """
    count, _, height, width = pictures.shape
    mirrored = torch.rand(count, 1, 1, 1, device=pictures.device) < 0.5
    pictures = torch.where(mirrored, pictures.flip(3), pictures)
    blanked = _window(count, height, pictures)[:, :, None] & _window(count, width, pictures)[:, None, :]
    return _pick(0.5, pictures.masked_fill(blanked[:, None], 0.0), pictures)


def _window(count: int, length: int, like: Tensor) -> Tensor:
    """bool (count, length): a stretch of up to half the length, anywhere."""
    centre = torch.randint(0, length, (count, 1), device=like.device)
    reach = torch.randint(0, max(length // 4, 1) + 1, (count, 1), device=like.device)
    return (torch.arange(length, device=like.device) - centre).abs() <= reach


def _uniform(count: int, low: float, high: float, like: Tensor) -> Tensor:
    return torch.empty(count, 1, 1, 1, device=like.device).uniform_(low, high)


def _pick(share: float, changed: Tensor, pictures: Tensor) -> Tensor:
    """The changed version of a random share of the batch."""
    chosen = torch.rand(len(pictures), 1, 1, 1, device=pictures.device) < share
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
    """One affine map per picture plus a smooth random displacement, in units of half the picture."""
    count, channels, height, width = pictures.shape
    size = (height, width)

    def draw(low: float, high: float) -> Tensor:
        return torch.empty(count, device=pictures.device).uniform_(low, high)

    angle = draw(-degrees, degrees) * math.pi / 180
    # Dividing by the scale: the map goes from the new picture to the old one.
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


def _stroke_width(pictures: Tensor, share: float) -> Tensor:
    """Strokes about half a pixel thicker or thinner, by a 3x3 dilation or erosion at twice the size."""
    fate = torch.rand(len(pictures), device=pictures.device)
    changed = pictures.clone()
    for sign, chosen in ((1, fate < share / 2), (-1, fate > 1 - share / 2)):
        few = pictures[chosen]
        large = F.interpolate(few, scale_factor=2.0, mode="bilinear", align_corners=False)
        grown = sign * F.avg_pool2d(F.max_pool2d(sign * large, 3, stride=1, padding=1), 2)
        # A thin stroke may vanish altogether: bring its peak back to full ink.
        peak = grown.amax(dim=(2, 3), keepdim=True)
        changed[chosen] = torch.where(peak > 0.3, grown / peak.clamp_min(0.3), few) if sign < 0 else grown
    return changed


def _ink(pictures: Tensor) -> Tensor:
    """Blur, hard or soft edges, faint ink, a little noise: each on a part of the batch."""
    count = len(pictures)
    blurred = F.avg_pool2d(pictures, 3, stride=1, padding=1, count_include_pad=False)
    blurred = blurred / blurred.amax(dim=(2, 3), keepdim=True).clamp_min(0.3)
    pictures = _pick(0.15, blurred, pictures)
    pictures = _pick(0.2, ((pictures - 0.5) * 4 + 0.5).clamp(0, 1), pictures)
    pictures = pictures.pow(_uniform(count, 0.7, 1.5, pictures))
    pictures = _pick(0.3, pictures * _uniform(count, 0.6, 1.0, pictures), pictures)
    noise = _uniform(count, 0.0, 0.12, pictures) * torch.randn_like(pictures)
    return _pick(0.3, pictures + noise, pictures).clamp(0, 1)
