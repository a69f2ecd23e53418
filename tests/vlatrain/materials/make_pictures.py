"""Makes the expected pictures of tests/vlatrain/data/test_published_pictures.py with TensorFlow's own operations.

    python tests/vlatrain/materials/make_pictures.py            (TensorFlow 2.21 on a CPU, Pillow)

For each libero_observation_N.png, recorded in libero_spatial (mujoco 2.3.7), beside it: `_resized`, as the published
evaluation resizes (JPEG pass, Lanczos3 with anti-aliasing); `_cropped`, its centre crop of that; `_augmented_K`, what
dlimp's augmentation makes of `_resized` in the order that openvla gives it, where it draws what DRAWS[K] says.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SIZE = 224
AREA = 0.9
# top and left corner of the crop, brightness, contrast, saturation, hue
DRAWS = (
    (0.04, 0.01, 0.15, 1.15, 0.85, 0.03),
    (0.01, 0.05, -0.18, 0.82, 1.2, -0.05),
    (0.051, 0.051, 0.2, 1.2, 1.2, 0.05),
)


def resized(picture: Any) -> Any:
    import tensorflow as tf

    stored = tf.io.decode_image(tf.image.encode_jpeg(picture), expand_animations=False, dtype=tf.uint8)
    large = tf.image.resize(stored, (SIZE, SIZE), method="lanczos3", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(large), 0, 255), tf.uint8)


def window(values: Any, top: float, left: float) -> Any:
    """Nine tenths of the area from that corner, stretched back."""
    import tensorflow as tf

    side = tf.sqrt(tf.constant(AREA, tf.float32))
    boxes = tf.reshape(tf.stack([top, left, top + side, left + side]), (1, 4))
    return tf.image.crop_and_resize(values[None], boxes, [0], (SIZE, SIZE))[0]


def cropped(picture: Any) -> Any:
    import tensorflow as tf

    offset = (1 - tf.sqrt(tf.constant(AREA, tf.float32))) / 2
    values = window(tf.image.convert_image_dtype(picture, tf.float32), offset, offset)
    return tf.image.convert_image_dtype(tf.clip_by_value(values, 0, 1), tf.uint8, saturate=True)


def augmented(picture: Any, draws: tuple[float, ...]) -> Any:
    import tensorflow as tf

    top, left, brightness, contrast, saturation, hue = draws
    values = window(tf.image.convert_image_dtype(picture, tf.float32), top, left)
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda before: before,
        lambda before: tf.image.adjust_brightness(before, brightness),
        lambda before: tf.image.adjust_contrast(before, contrast),
        lambda before: tf.image.adjust_saturation(before, saturation),
        lambda before: tf.image.adjust_hue(before, hue),
    )
    for change in changes:
        values = tf.clip_by_value(change(values), 0, 1)
    return tf.image.convert_image_dtype(values, tf.uint8, saturate=True)


def main() -> None:
    import numpy as np
    from PIL import Image

    for path in sorted(HERE.glob("libero_observation_?.png")):
        small = resized(np.asarray(Image.open(path)))
        made = {"resized": small, "cropped": cropped(small)}
        made |= {f"augmented_{number}": augmented(small, draws) for number, draws in enumerate(DRAWS)}
        for name, picture in made.items():
            Image.fromarray(np.asarray(picture)).save(path.with_name(f"{path.stem}_{name}.png"), optimize=True)


if __name__ == "__main__":
    main()
