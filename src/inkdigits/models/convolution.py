"""How strided convolutions are computed: as slices and one product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def quicken(model: keras.Model) -> None:
    """Let each strided convolution of `model` run as slices and one product, weights unchanged.

    XLA on a CPU computes the gradient of a strided convolution many times slower
    (`benchmarks/convolution.py`). Only how the layers compute is changed, so that what is saved
    stays a plain Keras model.
    """
    if keras.backend.backend() != "jax":
        return
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and halves(layer):
            layer.convolution_op = halving_convolution(layer.kernel_size[0])


def halves(layer: keras.layers.Conv2D) -> bool:
    """Return whether `halving_convolution` computes what this layer does."""
    height, width = layer.kernel_size
    plain = layer.dilation_rate == (1, 1) and layer.groups == 1 and layer.padding == "same"
    # A layer that nothing feeds yet has no input shape; it stays as it is, only slower.
    sides = layer.input.shape[1:3] if layer._inbound_nodes else (None,)
    even = all(size and size % 2 == 0 for size in sides)
    last = layer.data_format == "channels_last"
    return layer.strides == (2, 2) and height == width >= 2 and plain and even and last


def halving_convolution(side: int) -> Callable[[Any, Any], Any]:
    """Return `op(images (N, H, W, C), kernel)`, a convolution of stride 2 with "same" padding.

    H and W are even. A patch of `side` 2 needs no padding: it is a reshape and a product.
    """
    before = (side - 2) // 2
    after = side - 2 - before

    def op(images: Any, kernel: Any) -> Any:
        _, height, width, channels = images.shape
        if side == 2:
            rows, columns = height // 2, width // 2
            parts = ops.reshape(images, (-1, rows, 2, columns, 2, channels))
            patches = ops.transpose(parts, (0, 1, 3, 2, 4, 5))
            patches = ops.reshape(patches, (-1, rows, columns, 4 * channels))
        else:
            padded = ops.pad(images, ((0, 0), (before, after), (before, after), (0, 0)))
            patches = ops.concatenate(
                [
                    padded[:, row : row + height : 2, column : column + width : 2]
                    for row in range(side)
                    for column in range(side)
                ],
                axis=-1,
            )
        return ops.matmul(patches, ops.reshape(kernel, (-1, kernel.shape[-1])))

    return op
