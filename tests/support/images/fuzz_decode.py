"""Fuzz `open_picture` with atheris.

`python -m tests.support.images.fuzz_decode --seconds 3600`

Seeds are small files of every format, and the hostile ones. The folder keeps what is found for the next run.
The exit status is 0 if no input raises anything but PictureError, takes a minute, or takes much memory.
"""

import argparse
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "pillow_heif", "models"]):
    import pillow_heif  # noqa: F401  # else the first picture imports it, without instrumentation
    from PIL import Image

    from models.image.decode import FORMATS, PictureError, open_picture

from loadtests.hostile import files
from tests.support.images import pictures

SIDE = 28
MAX_PIXELS = 250_000
"""Few, so that many files are tried in a second."""

MAX_GROWTH_KB = 128 * 2**10
"""Growth of the peak memory by one input. A picture here has 1 MB.

libFuzzer's own limit is switched off: it is on the total, is checked once a second, so blames a later input,
and begins at the size of the process that started this one.
"""


def one(data: bytes) -> None:
    """Open one input and check the picture and the memory it took."""
    before = _peak_kb()
    try:
        picture = open_picture(data, SIDE, MAX_PIXELS)
    except PictureError:
        return
    finally:
        assert _peak_kb() - before < MAX_GROWTH_KB
    height, width, *colours = picture.shape
    assert colours in ([], [3])
    assert 0 < height * width <= MAX_PIXELS


def _peak_kb() -> int:
    # Not ru_maxrss, which begins at the size of the process that started this one.
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])


def seeds() -> dict[str, bytes]:
    """The initial corpus, by name."""
    scene = pictures.landscape(24, 16)
    open_picture(pictures.encoded(scene), SIDE)  # registers HEIF
    exif = Image.Exif()
    exif[0x0112] = 6
    corpus = {kind: pictures.encoded(scene, kind) for kind in FORMATS}
    corpus |= {
        f"{kind}-exif": pictures.encoded(scene, kind, exif=exif) for kind in ("PNG", "JPEG", "WEBP", "TIFF")
    }
    corpus |= {f"{kind}-frames": pictures.encoded(scene, kind, save_all=True, append_images=[scene])
              for kind in ("PNG", "GIF", "WEBP", "TIFF")}  # fmt: skip
    corpus |= {f"PNG-{mode}": pictures.encoded(scene.convert(mode)) for mode in ("1", "L", "LA", "P", "RGBA")}
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        corpus[f"TIFF-{compression}"] = pictures.encoded(scene, "TIFF", compression=compression)
    return corpus | files.too_many_pixels() | files.too_many_blocks(3_000)


def main() -> None:
    """Run the fuzzer for the time and on the folder of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/fuzz_picture"), help="of the corpus and the findings"
    )
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (options.folder / f"seed-{name}").write_bytes(data)
    limits = ["-timeout=60", "-rss_limit_mb=0", "-max_len=65536", f"-artifact_prefix={options.folder}/"]
    atheris.Setup([sys.argv[0], f"-max_total_time={options.seconds}", *limits, str(options.folder)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
