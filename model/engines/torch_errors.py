"""Translates torch's errors into ours, for every engine that computes with torch."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from model.errors import BatchFailed, EngineBroken


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise BatchFailed or EngineBroken for torch's errors inside; `what` is being scored."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise BatchFailed(f"no memory to score {what}: use smaller batches") from error
    except RuntimeError as error:
        if isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error):
            raise EngineBroken(f"the device failed while scoring {what}: restart the process ({error})") from error
        raise BatchFailed(f"torch could not score {what} ({error})") from error
