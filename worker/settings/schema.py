"""Every setting of the worker: its name, default, allowed values and meaning, and which settings contradict each other.

`worker.settings.sources` reads flags, environment and file. `Settings()` itself reads nothing.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, NamedTuple, Self, get_args, get_origin
from urllib.parse import urlsplit
from uuid import uuid4

from annotated_types import Ge, Le
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    model_validator,
)

from model.artifacts import DEFAULT_ARTIFACT
from worker.broker.clients import ClientName

ENV_PREFIX: Final = "SENTIMENT_"
MASK: Final = "********"


class Allowed(NamedTuple):
    """The allowed values of a type as text, if the type itself does not show them."""

    text: str


def _servers(value: str) -> str:
    entries = [entry.strip() for entry in value.split(",")]
    for entry in entries:
        host, _, port = entry.rpartition(":")
        if not re.fullmatch(r"\S+", host) or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(entry)
        host.encode("idna")  # a label that is empty or too long
    return ",".join(entries)


def _plain_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[@?#\s]", value):
        raise ValueError("no such URL")
    _ = parts.port  # raises if it is invalid
    return value


Servers = Annotated[str, AfterValidator(_servers), Allowed("host:port, several separated by commas")]
Topic = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$"), Allowed("1 to 249 letters, digits, dots, `_` or `-`")]
Text = Annotated[str, Field(min_length=1), Allowed("any text, not empty")]
OptionalText = Annotated[str | None, Field(min_length=1), Allowed("any text, not empty")]
Secret = Annotated[SecretStr | None, Field(min_length=1), Allowed("any text, not empty")]
OptionalUrl = Annotated[
    Annotated[str, AfterValidator(_plain_url)] | None, Allowed("an http or https URL without login, query or fragment")
]
OptionalFile = Annotated[FilePath | None, Allowed("an existing file")]


class Contradiction(NamedTuple):
    """Settings that are allowed each, but not together."""

    names: tuple[str, ...]
    rule: str


class Contradictions(ValueError):
    """Carries every contradiction through pydantic."""

    def __init__(self, found: list[Contradiction]) -> None:
        super().__init__("; ".join(f"{', '.join(names)}: {rule}" for names, rule in found))
        self.found = found


class Settings(BaseModel):
    """The effective configuration, complete and valid."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    bootstrap_servers: Servers = "localhost:9092"
    """Brokers to connect to first."""
    input_topic: Topic = "reviews.raw"
    """Topic to read reviews from."""
    output_topic: Topic = "reviews.scored"
    """Topic to write results to."""
    dlq_topic: Topic = "reviews.dlq"
    """Topic for records that cannot be scored."""
    group_id: Text = "sentiment-worker"
    """Consumer group; its members share the partitions."""
    group_instance_id: OptionalText = None
    """Name of a static member, unique in the group. Its restart causes no rebalance."""
    session_timeout_ms: int = Field(default=10_000, ge=1, le=1_800_000)
    """A member that is silent for longer loses its partitions."""
    max_poll_interval_ms: int = Field(default=300_000, ge=1, le=86_400_000)
    """A member that polls less often leaves the group."""
    client: ClientName = "kafka-python"
    """Kafka client library. `confluent` is faster and needs `pip install 'sentiment-worker[confluent]'`."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Protocol of the connections to the brokers."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    """How to authenticate; needed with SASL."""
    sasl_username: OptionalText = None
    """Needed with PLAIN and SCRAM."""
    sasl_password: Secret = None
    """Needed with PLAIN and SCRAM. Other users of the machine can see flags, so prefer `SENTIMENT_SASL_PASSWORD_FILE`,
    the path of a file that holds it."""
    sasl_oauth_token_file: OptionalFile = None
    """File with the token, needed with OAUTHBEARER. It is read again at each login."""
    ssl_cafile: OptionalFile = None
    """Certificates to trust (PEM). If not set, those of the system."""
    ssl_certfile: OptionalFile = None
    """The client's own certificate (PEM)."""
    ssl_keyfile: OptionalFile = None
    """The key of `ssl_certfile` (PEM)."""
    ssl_keypassword: Secret = None
    """Password of an encrypted `ssl_keyfile`; or set `SENTIMENT_SSL_KEYPASSWORD_FILE`."""

    model: Annotated[Path, Allowed("a directory")] = DEFAULT_ARTIFACT
    """Model artifact to score with."""
    shadow_model: Annotated[Path | None, Allowed("a directory")] = None
    """A second model artifact. Its scores are compared in the metrics and never published."""
    shadow_share: float = Field(default=0.1, ge=0.001, le=1)
    """Share of the reviews that the shadow model scores too."""
    engine: Literal["auto", "native", "onnx", "torch"] = "auto"
    """Engine that computes the network; `auto` takes the fastest available one."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to compute on; `auto` takes a GPU if there is one."""
    precision: Literal["auto", "fp16", "fp32", "int16"] = "auto"
    """Precision of the computation; `auto` is the engine's default."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """CPU threads of the engine. If not set, the engine decides."""

    delivery: Literal["at_least_once", "exactly_once"] = "at_least_once"
    """A crash may repeat results; with exactly_once it does not."""
    transactional_id: OptionalText = None
    """Transactional id of this worker, unique in the cluster. If not set, it is made of `group_id` and
    `group_instance_id` or a random name."""
    transaction_timeout_ms: int = Field(default=15_000, ge=1_000, le=900_000)
    """The broker aborts a transaction that is open for longer. Readers of committed results wait for an open
    transaction."""
    max_batch_reviews: int = Field(default=256, ge=1, le=65_536)
    """Maximum number of reviews in a batch."""
    max_batch_tokens: int = Field(default=131_072, ge=1, le=16_777_216)
    """Maximum number of tokens in a batch, padding included. A longer review is computed alone."""
    target_p99_ms: int | None = Field(default=None, ge=1, le=600_000)
    """Target p99 latency from read to result. Batches are as small as it requires, and as large as allowed while the
    worker is behind."""
    linger_ms: int = Field(default=0, ge=0, le=1000)
    """While the engine is idle, a batch waits this long for more reviews."""
    max_wait_ms: int = Field(default=500, ge=0, le=60_000)
    """A review that has waited this long goes first, whatever its length."""
    cache_bytes: int = Field(default=0, ge=0, le=2**40)
    """Memory for results of repeated texts, so that they are computed only once. 0: no cache."""
    max_inflight_records: int = Field(default=2000, ge=1, le=1_000_000)
    """Fetching pauses at this many unfinished records."""
    max_inflight_bytes: int = Field(default=64 * 1024 * 1024, ge=1, le=2**40)
    """Fetching pauses at this many bytes of unfinished records."""
    max_poll_records: int = Field(default=500, ge=1, le=100_000)
    """Maximum number of records of one poll."""
    max_dead_letters_per_minute: int = Field(default=1000, ge=1, le=1_000_000)
    """With more, the worker stops, because the producer or the model is broken."""
    isolation_timeout_ms: int = Field(default=30_000, ge=1, le=3_600_000)
    """Time limit of the search for reviews that make a batch fail. Then the engine counts as broken."""
    commit_interval_ms: int = Field(default=500, ge=1, le=600_000)
    """Time between two commits of finished offsets, and with exactly_once of results. After a crash, reviews since the
    last commit are scored again."""
    delivery_timeout_ms: int = Field(default=120_000, ge=1_000, le=86_400_000)
    """A result that is not stored within this time fails, and its review is read again."""
    drain_timeout_ms: int = Field(default=25_000, ge=0, le=3_600_000)
    """Time to finish work after SIGTERM. Keep it 15 s below the time that the orchestrator allows."""
    handover_timeout_ms: int = Field(default=5_000, ge=0, le=3_600_000)
    """Time to commit results before their partitions move to another worker."""
    stall_timeout_ms: int = Field(default=60_000, ge=1, le=86_400_000)
    """`/livez` fails after this long without progress while work waits."""

    http_host: Text = "127.0.0.1"
    """Address of the status page, `/metrics`, `/livez` and `/readyz`; `0.0.0.0` is every address."""
    http_port: int = Field(default=8080, ge=0, le=65_535)
    """Port of the same pages; 0 takes any free port."""
    status_reviews: bool = True
    """Show the last scored reviews on the status page: id, sentiment and score, no text."""
    traces_endpoint: OptionalUrl = None
    """URL to send OpenTelemetry traces of the batches to (OTLP over HTTP), for example
    `http://localhost:4318/v1/traces`. If not set, there are no traces."""
    traces_sample: float = Field(default=1.0, ge=0.0001, le=1)
    """Share of the batches that is traced."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged."""
    log_format: Literal["auto", "text", "json"] = "auto"
    """`auto` is text on a terminal and JSON lines elsewhere."""

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        if found := list(_contradictions(self)):
            raise Contradictions(found)
        return self

    def effective_transactional_id(self) -> str:
        """Return the transactional id of this worker: see docs/decisions/0007. A random one is new at each call."""
        return self.transactional_id or f"{self.group_id}.{self.group_instance_id or uuid4().hex}"

    def masked(self) -> dict[str, object]:
        """Return plain values for printing; secrets are masked."""
        shown = self.model_dump(mode="json")
        return {name: MASK if is_secret(name) and value else value for name, value in shown.items()}


def _contradictions(settings: Settings) -> Iterator[Contradiction]:
    s = settings
    topics = ("input_topic", "output_topic", "dlq_topic")
    below = "the first must be below the second"
    exactly_once = s.delivery == "exactly_once"
    rules = [
        (len({getattr(s, name) for name in topics}) < len(topics), topics, "must all differ"),
        (s.session_timeout_ms >= s.max_poll_interval_ms, ("session_timeout_ms", "max_poll_interval_ms"), below),
        (s.drain_timeout_ms >= s.max_poll_interval_ms, ("drain_timeout_ms", "max_poll_interval_ms"), below),
        (s.handover_timeout_ms >= s.max_poll_interval_ms, ("handover_timeout_ms", "max_poll_interval_ms"), below),
        (
            s.max_inflight_records < s.max_batch_reviews,
            ("max_inflight_records", "max_batch_reviews"),
            "the first must not be below the second",
        ),
        (
            exactly_once and s.commit_interval_ms >= s.transaction_timeout_ms,
            ("commit_interval_ms", "transaction_timeout_ms"),
            below,
        ),
        (
            s.transactional_id is not None and not exactly_once,
            ("transactional_id", "delivery"),
            "the first has no use without exactly_once",
        ),
        ((s.ssl_certfile is None) != (s.ssl_keyfile is None), ("ssl_certfile", "ssl_keyfile"), "one needs the other"),
        (
            s.ssl_keypassword is not None and s.ssl_keyfile is None,
            ("ssl_keypassword", "ssl_keyfile"),
            "the first has no use without the second",
        ),
    ]
    yield from (Contradiction(names, rule) for broken, names, rule in rules if broken)
    yield from _security(s)


def _security(settings: Settings) -> Iterator[Contradiction]:
    """Yield credentials that are missing, and those that would silently be ignored."""
    given = [name for name in Settings.model_fields if getattr(settings, name) is not None]
    protocols = settings.security_protocol.lower().split("_")
    for name in given:
        prefix = name.partition("_")[0]
        if prefix in ("sasl", "ssl") and prefix not in protocols:
            yield Contradiction((name, "security_protocol"), f"the first has no use without {prefix.upper()}")
    if "sasl" not in protocols:
        return
    if settings.sasl_mechanism is None:
        yield Contradiction(("security_protocol", "sasl_mechanism"), "the first needs the second")
        return
    by_token = settings.sasl_mechanism == "OAUTHBEARER"
    for name in ("sasl_username", "sasl_password", "sasl_oauth_token_file"):
        needed = by_token == (name == "sasl_oauth_token_file")
        if needed and name not in given:
            yield Contradiction(("sasl_mechanism", name), "the first needs the second")
        if not needed and name in given:
            yield Contradiction((name, "sasl_mechanism"), "the first has no use with the second")


def is_secret(name: str) -> bool:
    """Whether a setting's value must never be shown."""
    return SecretStr in get_args(Settings.model_fields[name].annotation)


def meaning(name: str) -> str:
    """Return what a setting means, in one line."""
    return " ".join((Settings.model_fields[name].description or "").split())


def allowed_values(name: str) -> str:
    """Return the values that a setting allows, as text."""
    field = Settings.model_fields[name]
    metadata = {type(item): item for item in field.metadata}
    if allowed := metadata.get(Allowed):
        return str(allowed.text)
    if Ge in metadata:
        return f"{metadata[Ge].ge} to {metadata[Le].le}"
    if field.annotation is bool:
        return "true or false"
    *others, last = _literals(field.annotation)
    return f"{', '.join(others)} or {last}" if others else last


def _literals(annotation: object) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(value for part in get_args(annotation) for value in _literals(part))


def flag_name(name: str) -> str:
    """Return the command-line flag of a setting."""
    return f"--{name.replace('_', '-')}"


def env_name(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{ENV_PREFIX}{name.upper()}"
