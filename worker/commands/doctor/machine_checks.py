"""Can this machine do what the settings ask of it? Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from model.predictor import ModelInfo
from worker.commands.doctor.findings import Finding
from worker.settings.schema import Settings

COPIES: Final = 2  # of what is held: as bytes, and as the texts and words made of them
LEAST_SESSION_MS: Final = 6_000  # group.min.session.timeout.ms, as brokers have it by default

Port = Literal["free", "a worker", "taken"]


@dataclass(frozen=True, slots=True)
class Speed:
    """What the engine did on this machine, just now."""

    reviews_per_s: float
    words: int  # of each review


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes."""

    used: int  # by this process, with the model loaded
    limit: int  # of the container, or of the machine
    available: int  # without taking it from anybody


def check_engine(info: ModelInfo, speed: Speed) -> Finding:
    """Which engine was chosen, and about how fast it is."""
    rate = f"about {speed.reviews_per_s:,.0f} reviews/s of {speed.words} words each"
    return Finding.ok("engine", f"{info.engine}: {rate}")


def check_gpu(info: ModelInfo, device: str, devices: int) -> Finding:
    """Whether a GPU of this machine is left unused; `devices` are those that the system shows."""
    if not devices:
        return Finding.skipped("gpu", "this machine shows none")
    if "cuda" in info.engine:
        return Finding.ok("gpu", f"{devices} there, and the engine computes on one")
    if device == "cpu":
        return Finding.ok("gpu", f"{devices} there, unused: SENTIMENT_DEVICE is cpu")
    advice = "Check the driver against the CUDA version of the installed torch, or set SENTIMENT_DEVICE=cpu"
    return Finding.warning("gpu", f"{devices} there, and the engine does not find any ({info.engine})", advice)


def check_memory(memory: Memory, settings: Settings) -> Finding:
    """What is held at most, against what there is."""
    held = COPIES * settings.max_inflight_bytes
    seen = (
        f"{_mib(memory.used)} with the model, up to {_mib(held)} more for reviews in flight; "
        f"{_mib(memory.available)} of {_mib(memory.limit)} are free"
    )
    advice = "Lower SENTIMENT_MAX_INFLIGHT_BYTES, or give the worker more memory"
    if memory.used + held > memory.limit:
        return Finding.failure("memory", seen, advice)
    if held > memory.available:
        return Finding.warning("memory", seen, advice)
    return Finding.ok("memory", seen)


def check_port(settings: Settings, port: Port) -> Finding:
    """Whether `run` could listen."""
    address = f"{settings.http_host}:{settings.http_port}"
    advice = "Set SENTIMENT_HTTP_PORT to a free one (0 takes any), SENTIMENT_HTTP_HOST to an address of this machine"
    if port == "free":
        return Finding.ok("http port", f"{address} is free")
    if port == "a worker":
        return Finding.warning("http port", f"{address}: a sentiment-worker answers there already", advice)
    return Finding.failure("http port", f"{address} cannot be listened on: it is taken, or not of this machine", advice)


def check_settings(settings: Settings, speed: Speed | None) -> Iterator[Finding]:
    """Yield what is allowed and still not wise; `speed` is unknown where the model does not load."""
    findings = [*_membership(settings), *([] if speed is None else _times(settings, speed))]
    yield from findings or [Finding.ok("settings", "nothing to remark")]


def _membership(settings: Settings) -> Iterator[Finding]:
    if settings.session_timeout_ms < LEAST_SESSION_MS:
        yield Finding.warning(
            "settings",
            f"session_timeout_ms is {settings.session_timeout_ms}: brokers refuse less than {LEAST_SESSION_MS}",
            "Raise SENTIMENT_SESSION_TIMEOUT_MS, if nobody has lowered the broker's group.min.session.timeout.ms",
        )
    named = settings.group_instance_id or settings.transactional_id
    if settings.delivery == "exactly_once" and not named:
        yield Finding.warning(
            "settings",
            "exactly_once without a name: a killed worker's open transaction holds readers up until it times out",
            "Set SENTIMENT_GROUP_INSTANCE_ID, stable for each worker (a pod's name)",
        )


def _times(settings: Settings, speed: Speed) -> Iterator[Finding]:
    drain_s = settings.max_inflight_records / speed.reviews_per_s
    if drain_s * 1000 > settings.drain_timeout_ms:
        yield Finding.warning(
            "settings",
            f"to finish max_inflight_records ({settings.max_inflight_records}) takes about {drain_s:.0f} s here, "
            f"drain_timeout_ms is {settings.drain_timeout_ms}",
            "Lower SENTIMENT_MAX_INFLIGHT_RECORDS or raise SENTIMENT_DRAIN_TIMEOUT_MS: else a stop leaves work undone",
        )
    batch_s = settings.max_batch_reviews / speed.reviews_per_s
    limits = {name: getattr(settings, name) for name in ("stall_timeout_ms", "max_poll_interval_ms")}
    for name, limit_ms in limits.items():
        if batch_s * 1000 > limit_ms / 2:
            yield Finding.warning(
                "settings",
                f"a batch of max_batch_reviews ({settings.max_batch_reviews}) takes about {batch_s:.0f} s here, "
                f"{name} is {limit_ms}",
                f"Lower SENTIMENT_MAX_BATCH_REVIEWS, or raise SENTIMENT_{name.upper()}",
            )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f} MiB"
