"""The choice of an engine: what each can do, and the order in which they are tried."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.errors import ModelError

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Way:
    """An engine on a device, and its precisions there; the first one is the default."""

    engine: str
    device: str
    precisions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.engine} on {self.device} in {', '.join(self.precisions)}"


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine, a device and a precision."""

    engine: str
    device: str
    precision: str


WAYS = (  # the fastest first
    Way("torch", "cuda", ("fp16", "fp32")),
    Way("native", "cpu", ("int16", "fp32")),
    Way("onnx", "cpu", ("fp32",)),
    Way("torch", "cpu", ("fp32",)),
)
ENGINES = (AUTO, *sorted({way.engine for way in WAYS}))
DEVICES = (AUTO, *sorted({way.device for way in WAYS}))
PRECISIONS = (AUTO, *sorted({precision for way in WAYS for precision in way.precisions}))


def choices(engine: str, device: str, precision: str, *, gpu: bool) -> list[Choice]:
    """What to try, in this order. CUDA is tried if `gpu` (a GPU is in sight) or if `device` asks for it.

    Raises ModelError, with the alternatives, for a choice that is unknown or that no engine supports.
    """
    settings = (("engine", engine, ENGINES), ("device", device, DEVICES), ("precision", precision, PRECISIONS))
    for name, value, allowed in settings:
        if value not in allowed:
            raise ModelError(f"{name} {value!r} is not known; the choices are {', '.join(allowed)}")
    able = [
        way
        for way in WAYS
        if engine in (AUTO, way.engine) and device in (AUTO, way.device) and precision in (AUTO, *way.precisions)
    ]
    if not able:
        raise ModelError(
            f"no engine supports engine {engine}, device {device}, precision {precision} together; "
            f"there are {'; '.join(map(str, WAYS))}"
        )
    tried = [way for way in able if gpu or way.device != "cuda" or device == "cuda"]
    if not tried:
        raise ModelError(f"precision {precision} needs a GPU, and none is in sight: choose another precision")
    return [Choice(way.engine, way.device, way.precisions[0] if precision == AUTO else precision) for way in tried]


def explain(choice: Choice, *, asked: str, gpu: bool, passed_over: Sequence[str]) -> str:
    """The reasons for a choice, in one line; `asked`: the engine setting; `passed_over`: why faster ones failed."""
    reasons = ["asked for" if asked == choice.engine else "the fastest available"]
    if not gpu and choice.device == "cpu":
        reasons.append("no GPU in sight")
    reasons += passed_over
    if choice.engine != "torch":
        reasons.append("torch is not imported")
    return "; ".join(reasons)
