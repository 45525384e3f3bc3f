"""What torch raises, as ours: for every engine that computes with it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from model.errors import BatchFailed, EngineBroken


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise BatchFailed or EngineBroken for what goes wrong inside; `what` is being scored."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise BatchFailed(f"no memory to score {what}: use smaller batches") from error
    except torch.AcceleratorError as error:
        raise EngineBroken(f"the device failed while scoring {what}: restart the process ({error})") from error
    except RuntimeError as error:
        if "CUDA error" in str(error):
            raise EngineBroken(f"the device failed while scoring {what}: restart the process ({error})") from error
        raise BatchFailed(f"torch could not score {what} ({error})") from error
