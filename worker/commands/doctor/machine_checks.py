"""Can this machine do what the settings ask for? Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from model.predictor import ModelInfo
from worker.commands.doctor.findings import Finding, failure, ok, skipped, warning
from worker.settings.schema import Settings

WORDS: Final = 230  # of each review that the speed is measured with: the mean of film reviews
COPIES: Final = 2  # of each review in flight: its bytes, and its text or word ids
LEAST_SESSION_MS: Final = 6_000  # the brokers' default of group.min.session.timeout.ms

Port = Literal["free", "a worker", "taken"]


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes."""

    used: int  # by this process, with the model loaded
    limit: int  # of the container, or of the machine
    available: int  # free without taking it from another process


def check_engine(info: ModelInfo, reviews_per_s: float) -> Finding:
    """Report the engine that was chosen, and about how fast it is."""
    return ok("engine", f"{info.engine}: about {reviews_per_s:,.0f} reviews/s of {WORDS} words each")


def check_gpu(info: ModelInfo, device: str, devices: int) -> Finding:
    """Check whether a GPU is unused by mistake. `devices` is how many the operating system shows."""
    if not devices:
        return skipped("gpu", "this machine shows none")
    if "cuda" in info.engine:
        return ok("gpu", f"{devices} found, and the engine uses one")
    if device == "cpu":
        return ok("gpu", f"{devices} found, unused because SENTIMENT_DEVICE is cpu")
    advice = "Check the driver against the CUDA version of the installed torch, or set SENTIMENT_DEVICE=cpu"
    return warning("gpu", f"{devices} found, but the engine finds none ({info.engine})", advice)


def check_memory(memory: Memory, settings: Settings) -> Finding:
    """Compare the most memory that the worker needs with what there is."""
    held = COPIES * settings.max_inflight_bytes
    seen = (
        f"{_mib(memory.used)} with the model, up to {_mib(held)} more for reviews in flight; "
        f"{_mib(memory.available)} of {_mib(memory.limit)} are free"
    )
    advice = "Lower SENTIMENT_MAX_INFLIGHT_BYTES, or give the worker more memory"
    if memory.used + held > memory.limit:
        return failure("memory", seen, advice)
    if held > memory.available:
        return warning("memory", seen, advice)
    return ok("memory", seen)


def check_port(settings: Settings, port: Port) -> Finding:
    """Check whether `run` could listen."""
    address = f"{settings.http_host}:{settings.http_port}"
    advice = "Set SENTIMENT_HTTP_PORT to a free one (0 takes any), SENTIMENT_HTTP_HOST to an address of this machine"
    if port == "free":
        return ok("http port", f"{address} is free")
    if port == "a worker":
        return warning("http port", f"{address}: a sentiment-worker answers there already", advice)
    seen = f"{address} cannot be listened on: it is taken, or not an address of this machine"
    return failure("http port", seen, advice)


def check_settings(settings: Settings, reviews_per_s: float | None) -> Iterator[Finding]:
    """Yield settings that are valid but unwise. `reviews_per_s` is None if the model does not load."""
    findings = [*_membership(settings), *([] if reviews_per_s is None else _times(settings, reviews_per_s))]
    yield from findings or [ok("settings", "no problem found")]


def _membership(settings: Settings) -> Iterator[Finding]:
    if settings.session_timeout_ms < LEAST_SESSION_MS:
        seen = f"session_timeout_ms is {settings.session_timeout_ms}: brokers reject less than {LEAST_SESSION_MS}"
        advice = "Raise SENTIMENT_SESSION_TIMEOUT_MS, unless the broker's group.min.session.timeout.ms was lowered"
        yield warning("settings", seen, advice)
    named = settings.group_instance_id or settings.transactional_id
    if settings.delivery == "exactly_once" and not named:
        seen = "exactly_once without a name: the open transaction of a killed worker blocks readers until it times out"
        advice = "Set SENTIMENT_GROUP_INSTANCE_ID, stable for each worker (a pod's name)"
        yield warning("settings", seen, advice)


def _times(settings: Settings, reviews_per_s: float) -> Iterator[Finding]:
    records, drain_s = settings.max_inflight_records, settings.max_inflight_records / reviews_per_s
    if drain_s * 1000 > settings.drain_timeout_ms:
        seen = (
            f"to finish max_inflight_records ({records}) takes about {drain_s:.0f} s here, "
            f"drain_timeout_ms is {settings.drain_timeout_ms}"
        )
        advice = "Lower SENTIMENT_MAX_INFLIGHT_RECORDS or raise SENTIMENT_DRAIN_TIMEOUT_MS, so that a stop can finish"
        yield warning("settings", seen, advice)
    batch_s = settings.max_batch_reviews / reviews_per_s
    for name in ("stall_timeout_ms", "max_poll_interval_ms"):
        limit_ms = getattr(settings, name)
        if batch_s * 1000 > limit_ms / 2:
            batch = f"a batch of max_batch_reviews ({settings.max_batch_reviews})"
            seen = f"{batch} takes about {batch_s:.0f} s here, {name} is {limit_ms}"
            advice = f"Lower SENTIMENT_MAX_BATCH_REVIEWS, or raise SENTIMENT_{name.upper()}"
            yield warning("settings", seen, advice)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f} MiB"
