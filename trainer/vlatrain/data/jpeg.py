"""JPEG decoded as TensorFlow does it, to the last bit: the published pipelines, training and evaluation, see that.

TensorFlow decodes with the fast integer transform of libjpeg-turbo. Pillow always takes the accurate one, which differs
by 1 in most values and by up to 13 in some; it stands in where simplejpeg is not installed.
"""

import hashlib
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

try:
    import simplejpeg
except (ImportError, ValueError):  # ValueError: it was built for another numpy
    simplejpeg = None

JPEG = b"\xff\xd8\xff"
QUALITY = 95
"""TensorFlow's own. Both write the same file."""


def decoded(content: bytes | memoryview) -> NDArray[np.uint8]:
    """A picture uint8 [H, W, 3] of a JPEG or PNG file. Raises OSError, SyntaxError or ValueError for a corrupt one."""
    if simplejpeg is not None and bytes(content[:3]) == JPEG:
        found: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, colorspace="RGB", fastdct=True)
        return found
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def encoded(image: NDArray[np.uint8], quality: int = QUALITY) -> bytes:
    """A picture uint8 [H, W, 3] as a JPEG file."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def jpeg_pass(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture [H, W, 3] as a data set would have stored it: JPEG at TensorFlow's default quality, decoded again."""
    return decoded(encoded(image))


def pass_mark() -> str:
    """Tells the JPEG passes of two Pythons apart: that of another decoder or encoder leaves another mark."""
    draws = np.random.RandomState(0)  # the one generator whose numbers no version of numpy changes
    coarse = draws.randint(0, 256, (24, 24, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    picture = np.concatenate([coarse, draws.randint(0, 256, coarse.shape).astype(np.uint8)])
    return hashlib.sha256(jpeg_pass(picture).tobytes()).hexdigest()
