"""The torch engine for NVIDIA's GPUs, in fp16 or fp32.

bf16 is not offered, because cuDNN has no fast LSTM for it: on an H100 it takes 2 to 7 times as long as fp16.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.engines.packed_networks import PackedNetwork, pack_network
from model.engines.packing import Ids, pack
from model.engines.shapes import SMALL_ROWS, UNMEASURED, Plan, Price, RowGroup, Shape, cut, padded_lengths
from model.engines.torch_errors import translated
from model.errors import EngineBroken, EngineUnavailable
from model.networks import Network

_DTYPES: Final = {"fp16": torch.float16, "fp32": torch.float32}
_TOLERANCES: Final = {"fp16": 5e-3, "fp32": 1e-5}
_MEASURED_ROWS: Final = (64, 512)
_MEASUREMENTS: Final = 3  # the fastest counts, because other processes may use the device

_CAPTURING: Final = threading.Lock()  # torch captures one graph at a time in a process


class CudaEngine:
    """See `model.engines.engine.Engine`.

    The first call measures the device and records the small shapes as CUDA graphs. Each call starts all groups of the
    batch before it waits for any, so the host packs a group while others are computed. On the CPU, for tests, it does
    the same without recording.
    """

    def __init__(self, network: Network, *, max_tokens: int, device: torch.device, precision: str) -> None:
        """Take over `network`, on the CPU, in fp32, in evaluation mode. EngineBroken where `device` cannot hold it."""
        self._device = device
        self._on_cuda = device.type == "cuda"
        if self._on_cuda:
            # For the whole process, because torch has no such setting per thread, and engines that change it for a
            # while would affect each other when a model is reloaded. TF32 keeps 10 bits of fp32's 23.
            torch.backends.cudnn.allow_tf32 = False
        try:
            self._stream = torch.cuda.Stream(device) if self._on_cuda else None  # type: ignore[no-untyped-call]
            with torch.cuda.stream(self._stream):
                self._network = pack_network(network, max_tokens=max_tokens, device=device, dtype=_DTYPES[precision])
            self._buffer = self._new_buffer(1)
        except RuntimeError as error:  # base of torch's out-of-memory and device errors
            raise EngineBroken(f"the network cannot be put on {device}: choose another device ({error})") from error
        self._lengths = padded_lengths(max_tokens)
        self.plan: Plan | None = None  # until the first call
        self._graphs: dict[Shape, _RecordedShape] = {}
        place = torch.cuda.get_device_name(device) if self._on_cuda else "for tests"
        self.description = f"torch {device.type} {precision}, {place}"
        self.tolerance = _TOLERANCES[precision]
        self.batches_at_once = 1

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """See `Engine`."""
        lengths = np.fromiter(map(len, rows), np.int32, len(rows))
        what = f"{len(rows)} reviews of up to {lengths.max()} tokens"
        with translated(what), torch.inference_mode(), torch.cuda.stream(self._stream):
            if self.plan is None:
                self.plan = self._prepare()
            return self._scored(rows, cut(lengths, self._lengths, self.plan), int(lengths.sum()))

    def _scored(self, rows: Sequence[Ids], groups: Sequence[RowGroup], tokens: int) -> NDArray[np.float64]:
        buffer = self._free_buffer(tokens + sum(group.shape.rows for group in groups))
        answers = torch.empty(len(rows), device=self._device)
        packed_end = answered = 0
        for shape, members in groups:
            begin = packed_end
            packed_end += pack([rows[row] for row in members], shape.rows, buffer.numpy()[begin:])
            logits = self._compute(buffer[begin:packed_end], shape)
            answers[answered : answered + len(members)] = logits[: len(members)]
            answered += len(members)
        result = np.empty(len(rows))
        result[np.concatenate([group.members for group in groups])] = answers.cpu().numpy()
        return result

    def _compute(self, packed: Tensor, shape: Shape) -> Tensor:
        """Start computing one group; use its logits before starting the next group of the same shape."""
        graph = self._graphs.get(shape)
        if graph is not None:
            return graph.logits(packed)
        return self._network(packed.to(self._device, non_blocking=True), shape)

    def _free_buffer(self, size: int) -> Tensor:
        """Page-locked memory that no copy still reads; a batch that failed may have left one running."""
        if self._stream is not None:
            self._stream.synchronize()
        if len(self._buffer) < size:
            self._buffer = self._new_buffer(size)
        return self._buffer

    def _new_buffer(self, size: int) -> Tensor:
        return torch.empty(1 << (size - 1).bit_length(), dtype=torch.int32, pin_memory=self._on_cuda)

    def _prepare(self) -> Plan:
        """Measure the cost of groups on this device, and record the small shapes."""
        if self._stream is None:
            return UNMEASURED
        plan = _measured(self._network, self._lengths[-1], self._device, self._stream)
        pool = torch.cuda.graph_pool_handle()  # its type has no public name
        shapes = [Shape(rows, length) for rows in SMALL_ROWS for length in self._lengths]
        shapes.sort(reverse=True)  # the largest first, so that the others reuse its memory
        self._graphs = {shape: _RecordedShape(self._network, shape, pool, self._stream) for shape in shapes}
        return plan


def cuda_device() -> torch.device:
    """The CUDA device. Raises EngineUnavailable where torch finds none."""
    if not torch.cuda.is_available():
        raise EngineUnavailable("torch finds no CUDA device: choose the device auto or cpu, or fix the GPU's driver")
    return torch.device("cuda")


class _RecordedShape:
    """The computation of one shape as a CUDA graph: starting it costs one launch instead of fifty.

    Graphs of one pool share memory, so logits are valid until the next graph of the pool starts.
    """

    def __init__(self, network: PackedNetwork, shape: Shape, pool: Any, stream: torch.cuda.Stream) -> None:
        self._packed = torch.zeros(shape.rows + shape.tokens, dtype=torch.int32, device=stream.device)
        network(self._packed, shape)  # so that the libraries' one-time setup for a shape is not recorded
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may use the device meanwhile, for example while a model is reloaded under load.
        with (
            _CAPTURING,
            torch.cuda.graph(self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"),
        ):
            self._logits = network(self._packed, shape)

    def logits(self, packed: Tensor) -> Tensor:
        self._packed[: len(packed)].copy_(packed, non_blocking=True)
        self._graph.replay()
        return self._logits


def _measured(network: PackedNetwork, length: int, device: torch.device, stream: torch.cuda.Stream) -> Plan:
    """A plan for this device, or the default one if it has no memory to measure."""
    small, large = (Shape(rows, length) for rows in _MEASURED_ROWS)
    try:
        torch.cuda.reset_peak_memory_stats(device)
        before_bytes = torch.cuda.memory_allocated(device)
        large_s = _seconds(network, large, stream)
        token_bytes = (torch.cuda.max_memory_allocated(device) - before_bytes) / large.tokens
        price = Price.through((small, _seconds(network, small, stream)), (large, large_s))
    except torch.OutOfMemoryError:
        return UNMEASURED
    kept_bytes = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free_bytes = torch.cuda.mem_get_info(device)[0] + kept_bytes
    return Plan.measured(price, token_bytes=token_bytes, free_bytes=free_bytes)


def _seconds(network: PackedNetwork, shape: Shape, stream: torch.cuda.Stream) -> float:
    packed = torch.ones(shape.rows + shape.tokens, dtype=torch.int32, device=stream.device)
    packed[: shape.rows] = shape.length
    took_s = []
    for _ in range(1 + _MEASUREMENTS):  # the first includes one-time setup
        stream.synchronize()
        began_s = time.perf_counter()
        network(packed, shape)
        stream.synchronize()
        took_s.append(time.perf_counter() - began_s)
    return min(took_s)
