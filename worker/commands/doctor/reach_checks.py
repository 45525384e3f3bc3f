"""Is there a Kafka at the addresses, and does it let us in? Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from worker.broker.cluster.reaching import Reach
from worker.broker.cluster.survey import Cluster
from worker.commands.doctor.findings import Finding
from worker.errors import BrokerUnreachable, WorkerError

CHECK = "broker"
OLDEST_TESTED = (4, 0)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one bootstrap address gave."""

    reach: Reach
    login_error: WorkerError | None = None  # of a client with the settings in force, where it `fits` them


def fits(reach: Reach, security_protocol: str) -> bool:
    """Whether what is spoken there is what the settings speak: else a client need not try."""
    return reach.spoken == ("tls" if security_protocol.endswith("SSL") else "plaintext")


def check_address(attempt: Attempt, security_protocol: str) -> Finding:
    """Tell the layer at which it fails: name, port, what is spoken, login."""
    address, reach = attempt.reach.address, attempt.reach
    if reach.name_error is not None:
        advice = "Correct the name in SENTIMENT_BOOTSTRAP_SERVERS, or let this machine's DNS know it"
        return Finding.failure(CHECK, f"{address}: the name is not known here ({reach.name_error})", advice)
    if reach.port_error is not None:
        advice = "Check the port, that the broker runs, and that no firewall stands between"
        return Finding.failure(CHECK, f"{address}: the port does not answer ({reach.port_error})", advice)
    if fits(reach, security_protocol) and attempt.login_error is None:
        return Finding.ok(CHECK, f"{address}: let us in ({security_protocol})")
    return _not_let_in(attempt, security_protocol)


def _not_let_in(attempt: Attempt, security_protocol: str) -> Finding:
    address, spoken = attempt.reach.address, attempt.reach.spoken
    tls_wanted, login = security_protocol.endswith("SSL"), security_protocol.startswith("SASL")
    if spoken == "plaintext" and tls_wanted:
        other = "SASL_PLAINTEXT" if login else "PLAINTEXT"
        advice = f"Give the port of the TLS listener, or set SENTIMENT_SECURITY_PROTOCOL={other}"
        seen = f"{address}: speaks plaintext, and the settings speak TLS ({security_protocol})"
        return Finding.failure(CHECK, seen, advice)
    if spoken == "tls" and not tls_wanted:
        other = "SASL_SSL" if login else "SSL (or SASL_SSL)"
        advice = f"Set SENTIMENT_SECURITY_PROTOCOL={other}, or give the port of a plaintext listener"
        seen = f"{address}: speaks TLS, and the settings speak plaintext ({security_protocol})"
        return Finding.failure(CHECK, seen, advice)
    if attempt.login_error is None:
        said = "says nothing" if spoken == "silence" else "is not Kafka"
        advice = "Check host and port: another service, a proxy or a frozen broker is there"
        return Finding.failure(CHECK, f"{address}: what listens there {said}", advice)
    if not login and isinstance(attempt.login_error, BrokerUnreachable):
        advice = f"It may want a login: try SENTIMENT_SECURITY_PROTOCOL=SASL_{'SSL' if tls_wanted else 'PLAINTEXT'}"
        return Finding.failure(CHECK, f"{address}: Kafka answers, and does not let us in ({security_protocol})", advice)
    return Finding.of(CHECK, attempt.login_error)


def soften(findings: Collection[Finding]) -> Iterator[Finding]:
    """An address that fails is a warning while another one works: the client goes there."""
    works = any(not finding.advice for finding in findings)
    for finding in findings:
        yield Finding.warning(CHECK, finding.seen, finding.advice) if works and finding.advice else finding


def check_cluster(cluster: Cluster) -> Finding:
    """Its version, as far as the protocol tells."""
    version = ".".join(map(str, cluster.version))
    seen = f"Kafka {version} or later, {_counted(len(cluster.brokers), 'broker')}"
    if cluster.version < OLDEST_TESTED:
        oldest = ".".join(map(str, OLDEST_TESTED))
        return Finding.warning(
            "broker version", seen, f"The worker is tested with {oldest} and later: upgrade, or try it"
        )
    return Finding.ok("broker version", seen)


def check_advertised(reaches: Collection[Reach]) -> Finding:
    """Clients are sent to the addresses that brokers advertise, whatever the bootstrap address was."""
    lost = [reach.address for reach in reaches if reach.name_error is not None or reach.port_error is not None]
    if lost:
        advice = "Correct the brokers' advertised.listeners, or open the way from here to those addresses"
        seen = f"brokers send us to {', '.join(lost)}, which cannot be reached from here"
        return Finding.failure("advertised addresses", seen, advice)
    return Finding.ok("advertised addresses", ", ".join(reach.address for reach in reaches))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
