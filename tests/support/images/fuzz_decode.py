"""Fuzz `open_picture` with atheris: `python -m tests.support.images.fuzz_decode --seconds 3600`.

Seeds are small files of every format, and the hostile ones. What it finds is left beside them, and taken up
again next time. Ends with 0 where nothing but PictureError was raised and nothing took 10 s or 2 GB.
"""

import argparse
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "pillow_heif", "models"]):
    import pillow_heif  # noqa: F401  # otherwise imported by the first picture, and not instrumented
    from PIL import Image

    from models.image.decode import FORMATS, PictureError, open_picture

from loadtests.hostile import files
from tests.support.images import pictures

SIDE = 28
MAX_PIXELS = 250_000
"""Few, so that many files are tried in a second."""


def one(data: bytes) -> None:
    try:
        picture = open_picture(data, SIDE, MAX_PIXELS)
    except PictureError:
        return
    height, width, colours = picture.shape
    assert colours == 3
    assert 0 < height * width <= MAX_PIXELS


def seeds() -> dict[str, bytes]:
    scene = pictures.landscape(24, 16)
    open_picture(pictures.encoded(scene), SIDE)  # registers HEIF
    exif = Image.Exif()
    exif[0x0112] = 6
    found = {kind: pictures.encoded(scene, kind) for kind in FORMATS}
    found |= {
        f"{kind}-exif": pictures.encoded(scene, kind, exif=exif) for kind in ("PNG", "JPEG", "WEBP", "TIFF")
    }
    found |= {f"{kind}-frames": pictures.encoded(scene, kind, save_all=True, append_images=[scene])
              for kind in ("PNG", "GIF", "WEBP", "TIFF")}  # fmt: skip
    found |= {f"PNG-{mode}": pictures.encoded(scene.convert(mode)) for mode in ("1", "L", "LA", "P", "RGBA")}
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        found[f"TIFF-{compression}"] = pictures.encoded(scene, "TIFF", compression=compression)
    return found | files.too_many_pixels() | files.too_many_blocks(3_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=Path("runs/fuzz_picture"), help="of what is found")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (options.folder / f"seed-{name}").write_bytes(data)
    limits = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", f"-artifact_prefix={options.folder}/"]
    atheris.Setup([sys.argv[0], f"-max_total_time={options.seconds}", *limits, str(options.folder)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
