"""Frozen weights in 4 bits (QLoRA, Dettmers et al. 2023, arXiv:2305.14314): for models that a GPU has no room for.

A product takes a copy in the type that it computes in, which is made for it, forward and backward, and then forgotten.
"""

from __future__ import annotations

import importlib
from typing import Any

from torch import Tensor

from tuneloop.errors import InvalidInput

#: numbers that share a scale
_BLOCK = 64


class FourBit:
    """A matrix as NormalFloat4, its scales in 8 bits (double quantisation): 4.13 bits a number."""

    def __init__(self, weight: Tensor) -> None:
        """Raises InvalidInput where bitsandbytes is not installed."""
        self._codes, self._scales = bitsandbytes().quantize_4bit(
            weight.contiguous(), blocksize=_BLOCK, compress_statistics=True, quant_type="nf4"
        )

    def dense(self) -> Tensor:
        """The matrix in the type that it had, as near as it is kept."""
        matrix: Tensor = bitsandbytes().dequantize_4bit(self._codes, self._scales)
        return matrix

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        scales = self._scales
        return sum(part.nbytes for part in (self._codes, scales.absmax, scales.state2.absmax))


def bitsandbytes() -> Any:
    """The library's functions. Raises InvalidInput where it is not installed."""
    # Not at the top of the file: it takes seconds, and few need it.
    try:
        return importlib.import_module("bitsandbytes.functional")
    except ImportError:
        message = "weights in 4 bits need bitsandbytes: pip install 'tuneloop[qlora]'"
        raise InvalidInput(message, param="quantize") from None
