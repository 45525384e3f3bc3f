"""The settings of our broker: `server.properties` filled in, for a process or for a container."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template

TEMPLATE = Path(__file__).with_name("server.properties")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where one broker listens and keeps its data: the $names of the template."""

    client_host: str  # the interface that clients come in by
    client_port: int
    advertised: str  # host:port that clients are told to use
    broker_port: int
    controller_port: int
    data_dir: str
    proxied_port: int = 0  # 0: no listener for a proxy
    proxy: str = ""  # host:port that clients of that listener are told to use


def settings(placement: Placement) -> dict[str, str]:
    """Every setting of the broker, by Kafka's own name."""
    filled = Template(TEMPLATE.read_text()).substitute(asdict(placement))
    lines = (line for line in filled.splitlines() if line and not line.startswith("#"))
    values = dict(line.split("=", 1) for line in lines)
    if placement.proxied_port:
        values["listeners"] += f",PROXIED://{placement.client_host}:{placement.proxied_port}"
        values["advertised.listeners"] += f",PROXIED://{placement.proxy}"
        values["listener.security.protocol.map"] += ",PROXIED:PLAINTEXT"
    return values


def as_file(values: Mapping[str, str]) -> str:
    """The text of a properties file."""
    return "".join(f"{name}={value}\n" for name, value in values.items())


def as_variables(values: Mapping[str, str]) -> dict[str, str]:
    """The environment of the apache/kafka image: `node.id` becomes KAFKA_NODE_ID."""
    return {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in values.items()}
