"""Where networks are trained."""

from functools import cache

import torch


@cache
def training_device() -> torch.device:
    """A GPU where torch finds one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
