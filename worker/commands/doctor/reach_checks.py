"""Is there a Kafka at the addresses, and does it accept our connection? Pure."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from worker.broker.cluster.reaching import Reach
from worker.broker.cluster.survey import Cluster
from worker.commands.doctor.findings import Finding, Verdict, failure, failure_from, ok, warning
from worker.errors import BrokerUnreachable, WorkerError

CHECK: Final = "broker"
OLDEST_TESTED: Final = (4, 0)


def fits(reach: Reach, security_protocol: str) -> bool:
    """Return whether the listener speaks what the settings speak. If not, a client need not try."""
    return reach.spoken == ("tls" if security_protocol.endswith("SSL") else "plaintext")


def check_address(reach: Reach, security_protocol: str, login_error: WorkerError | None = None) -> Finding:
    """Report the first layer that fails: name, port, TLS or plaintext, login.

    `login_error` is that of a client with the settings in force. It is tried only if the listener `fits`.
    """
    address, spoken = reach.address, reach.spoken
    if reach.name_error is not None:
        advice = "Correct the name in SENTIMENT_BOOTSTRAP_SERVERS, or add it to the DNS of this machine"
        return failure(CHECK, f"{address}: the name is not known here ({reach.name_error})", advice)
    if reach.port_error is not None:
        advice = "Check the port, that the broker runs, and that no firewall blocks the way"
        return failure(CHECK, f"{address}: the port does not answer ({reach.port_error})", advice)
    tls_wanted, login = security_protocol.endswith("SSL"), security_protocol.startswith("SASL")
    if spoken == "plaintext" and tls_wanted:
        other = "SASL_PLAINTEXT" if login else "PLAINTEXT"
        advice = f"Give the port of the TLS listener, or set SENTIMENT_SECURITY_PROTOCOL={other}"
        seen = f"{address}: speaks plaintext, and the settings speak TLS ({security_protocol})"
        return failure(CHECK, seen, advice)
    if spoken == "tls" and not tls_wanted:
        other = "SASL_SSL" if login else "SSL (or SASL_SSL)"
        advice = f"Set SENTIMENT_SECURITY_PROTOCOL={other}, or give the port of a plaintext listener"
        seen = f"{address}: speaks TLS, and the settings speak plaintext ({security_protocol})"
        return failure(CHECK, seen, advice)
    if not fits(reach, security_protocol):
        said = "says nothing" if spoken == "silence" else "is not Kafka"
        advice = "Check host and port: another service, a proxy or a frozen broker is there"
        return failure(CHECK, f"{address}: what listens there {said}", advice)
    if login_error is None:
        return ok(CHECK, f"{address}: connected ({security_protocol})")
    if not login and isinstance(login_error, BrokerUnreachable):
        advice = f"It may want a login: try SENTIMENT_SECURITY_PROTOCOL=SASL_{'SSL' if tls_wanted else 'PLAINTEXT'}"
        return failure(CHECK, f"{address}: Kafka answers, but rejects us ({security_protocol})", advice)
    return failure_from(CHECK, login_error)


def soften(findings: Collection[Finding]) -> Iterator[Finding]:
    """Turn failures into warnings if another address works, because clients then use that one."""
    works = any(finding.verdict is Verdict.OK for finding in findings)
    return (replace(finding, verdict=Verdict.WARNING) if works and finding.advice else finding for finding in findings)


def check_cluster(cluster: Cluster) -> Finding:
    """Check the version of the brokers, as far as the protocol shows it."""
    count = len(cluster.brokers)
    seen = f"Kafka {_dotted(cluster.version)} or later, {count} {'broker' if count == 1 else 'brokers'}"
    if cluster.version < OLDEST_TESTED:
        advice = f"The worker is tested with {_dotted(OLDEST_TESTED)} and later: upgrade, or try it"
        return warning("broker version", seen, advice)
    return ok("broker version", seen)


def check_advertised(reaches: Collection[Reach]) -> Finding:
    """Check the addresses that brokers advertise: clients use them, whatever the bootstrap address is."""
    lost = [reach.address for reach in reaches if reach.name_error is not None or reach.port_error is not None]
    if lost:
        advice = "Correct the brokers' advertised.listeners, or make those addresses reachable from here"
        seen = f"brokers advertise {', '.join(lost)}, which cannot be reached from here"
        return failure("advertised addresses", seen, advice)
    return ok("advertised addresses", ", ".join(reach.address for reach in reaches))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
