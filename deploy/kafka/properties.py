"""The settings of our broker, from the template `server.properties`, for a process or for a container."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

TEMPLATE = Path(__file__).with_name("server.properties")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where one broker listens and stores its data: the $names of the template."""

    client_host: str  # the interface that clients connect to
    client_port: int
    advertised: str  # host:port that the broker advertises to clients
    broker_port: int
    controller_port: int
    data_dir: str


class Listener(NamedTuple):
    """One more listener for clients, on this machine only."""

    name: str  # letters and digits
    protocol: str  # PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
    port: int  # the same inside and outside of a container
    settings: Mapping[str, str] = {}  # as Kafka names them after `listener.name.NAME.`
    proxy: str | None = None  # host:port of a proxy in front of it

    @property
    def address(self) -> str:
        """The address that the broker advertises, and for which a certificate must be valid."""
        return self.proxy or f"localhost:{self.port}"


@dataclass(frozen=True, slots=True)
class Extras:
    """Additions to a broker, for tests of faults and of logins."""

    listeners: tuple[Listener, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)  # of the whole broker, by Kafka's own names
    data_dir: Path | None = None  # an empty directory for its data
    jvm_options: tuple[str, ...] = ()


NOTHING_MORE: Final = Extras()


def settings(placement: Placement, extras: Extras = NOTHING_MORE) -> dict[str, str]:
    """All settings of the broker, by Kafka's own names."""
    filled = Template(TEMPLATE.read_text()).substitute(asdict(placement))
    lines = (line for line in filled.splitlines() if line and not line.startswith("#"))
    values = dict(line.split("=", 1) for line in lines)
    for listener in extras.listeners:
        values["listeners"] += f",{listener.name}://{placement.client_host}:{listener.port}"
        values["advertised.listeners"] += f",{listener.name}://{listener.address}"
        values["listener.security.protocol.map"] += f",{listener.name}:{listener.protocol}"
        prefix = f"listener.name.{listener.name.lower()}."
        values |= {prefix + name: value for name, value in listener.settings.items()}
    # In Java's properties, from a file or from variables, a line break is written as \n.
    return {name: value.replace("\n", "\\n") for name, value in (values | dict(extras.settings)).items()}


def as_file(values: Mapping[str, str]) -> str:
    """The text of a properties file."""
    return "".join(f"{name}={value}\n" for name, value in values.items())


def as_variables(values: Mapping[str, str]) -> dict[str, str]:
    """The environment of the apache/kafka image: `node.id` becomes KAFKA_NODE_ID."""
    spelled = str.maketrans({".": "_", "_": "__", "-": "___"})
    return {"KAFKA_" + name.upper().translate(spelled): value for name, value in values.items()}
