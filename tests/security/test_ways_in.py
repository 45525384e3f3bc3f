"""Each way to log in works with the least privileges. Each wrong one is an error of one line."""

import time
from collections.abc import Callable
from itertools import islice

import pytest

from deploy.kafka.broker import Broker
from tests.security.cluster import (
    KEY_PASSWORD,
    PASSWORD,
    SESSION_S,
    USER,
    Pki,
    SecuredListeners,
    Settings,
    set_scram_password,
)
from tests.security.permissions import LEAST_PRIVILEGE, granted
from tests.support.clients import SECOND_AT_NIGHT
from tests.support.kafka_io import Message
from tests.support.stage import Stage
from tests.support.traffic import reviews
from tests.support.until import until
from worker.broker.clients import CLIENTS, ClientName
from worker.broker.cluster.admin import require_topics
from worker.errors import AccessDenied
from worker.settings.connecting import connect_with
from worker.settings.sources import load_settings

pytestmark = pytest.mark.broker

TOLD_WITHIN_S = 15.0
BAD = Message(b"no review", key=b"bad", partition=0)

Way = Callable[[SecuredListeners, Pki], Settings]
MAY = f"User:{USER}"


def scores(stage: Stage, principal: str, way: Settings) -> None:
    """A worker that comes in this way, with the least privileges, does all its work."""
    stage.traffic.send([*islice(reviews(seed=1), 40), BAD])
    with granted(stage, principal, LEAST_PRIVILEGE):
        assert stage.start(until_empty=True, **way).exit_status() == 0
        assert stage.faults() == []


@pytest.mark.parametrize(
    ("mechanism", "protocol", "delivery", "client"),
    [
        ("PLAIN", "SASL_SSL", "at_least_once", "kafka-python"),
        ("SCRAM-SHA-256", "SASL_SSL", "exactly_once", "kafka-python"),
        ("SCRAM-SHA-512", "SASL_PLAINTEXT", "at_least_once", "kafka-python"),
        ("PLAIN", "SASL_SSL", "exactly_once", "confluent"),
        ("SCRAM-SHA-512", "SASL_PLAINTEXT", "at_least_once", "confluent"),
    ],
)
def test_a_worker_comes_in_with_a_password(
    stage: Stage, listeners: SecuredListeners, mechanism: str, protocol: str, delivery: str, client: ClientName
) -> None:
    way = listeners.login(mechanism, encrypted=protocol == "SASL_SSL")
    scores(stage, MAY, way | {"delivery": delivery, "client": client})


@pytest.mark.parametrize("client", CLIENTS)
def test_a_worker_comes_in_with_a_certificate_whose_key_is_encrypted(
    stage: Stage, listeners: SecuredListeners, pki: Pki, client: ClientName
) -> None:
    way = listeners.certificate(pki.encrypted_client) | {"ssl_keypassword": KEY_PASSWORD, "client": client}
    scores(stage, f"User:CN={USER}", way)


@pytest.mark.parametrize(
    ("way", "status", "message"),
    [
        (
            lambda ways, _: ways.login("PLAIN") | {"sasl_password": "wrong"},
            5,
            ["Invalid username or password", "sasl_mechanism"],
        ),
        (lambda ways, _: ways.login("SCRAM-SHA-256") | {"sasl_password": "wrong"}, 5, ["invalid credentials"]),
        (
            lambda ways, _: (
                ways.login("OAUTHBEARER") | {"sasl_oauth_token_file": ways.token_file(valid_s=-60, name="old")}
            ),
            5,
            ["invalid_token", "token"],
        ),
        (
            lambda ways, pki: ways.login("PLAIN") | {"ssl_cafile": pki.stranger.certificate},
            5,
            ["certificate", "issuer", "ssl_cafile"],
        ),
        (
            lambda ways, _: ways.login("PLAIN") | {"bootstrap_servers": f"127.0.0.1:{ways.sasl_ssl.port}"},
            5,
            ["not valid for '127.0.0.1'"],
        ),
        (lambda ways, _: ways.certificate(None), 5, ["CERTIFICATE", "ssl_certfile"]),
        (lambda ways, pki: ways.certificate(pki.impostor), 5, ["CERTIFICATE", "ssl_certfile"]),
        (lambda ways, _: {"bootstrap_servers": ways.mutual_tls.address}, 3, ["security protocol"]),
        (lambda ways, pki: ways.certificate(pki.encrypted_client), 2, ["encrypted", "ssl_keypassword"]),
        (
            lambda ways, pki: ways.certificate(pki.encrypted_client) | {"ssl_keypassword": "wrong"},
            2,
            ["ssl_keyfile", "ssl_keypassword"],
        ),
    ],
    ids=[
        "wrong-password",
        "wrong-scram-password",
        "expired-token",
        "unknown-authority",
        "other-host-name",
        "no-certificate",
        "certificate-of-a-stranger",
        "no-tls-to-a-tls-port",
        "no-key-password",
        "wrong-key-password",
    ],
)
def test_a_failed_login_says_why_and_what_to_do(
    stage: Stage, listeners: SecuredListeners, pki: Pki, way: Way, status: int, message: list[str]
) -> None:
    worker = stage.start(log_level="ERROR", **way(listeners, pki))
    assert worker.exit_status(limit_s=TOLD_WITHIN_S) == status
    [line] = worker.log().splitlines()
    assert [words for words in message if words not in line] == []


@pytest.mark.parametrize("client", SECOND_AT_NIGHT)
def test_a_token_is_read_again_at_each_login_and_one_that_expired_ends_the_worker(
    stage: Stage, listeners: SecuredListeners, client: ClientName
) -> None:
    token_file = listeners.token_file(valid_s=3600, name="renewed")
    way = listeners.login("OAUTHBEARER") | {"sasl_oauth_token_file": token_file, "client": client}
    with granted(stage, MAY, LEAST_PRIVILEGE):
        worker = stage.start(log_level="ERROR", **way).until_ready()
        over_s = time.monotonic() + 2 * SESSION_S
        stage.traffic.load_until(
            lambda: time.monotonic() > over_s, reviews(seed=1), "two sessions are over", most=100_000
        )
        assert worker.running
        before = stage.committed()
        listeners.token_file(valid_s=-60, name="renewed")
        assert worker.exit_status() == 5
        assert "invalid_token" in worker.log().splitlines()[-1]
        listeners.token_file(valid_s=3600, name="renewed")
        assert stage.start(until_empty=True, **way).exit_status() == 0
        assert stage.faults(begun_again=[before]) == []


def lets_in(way: Settings) -> bool:
    try:
        require_topics(connect_with(load_settings(way, {})), [])
    except AccessDenied:
        return False
    return True


@pytest.mark.parametrize("client", CLIENTS)
def test_a_password_that_no_longer_holds_ends_the_worker_at_its_next_login(
    secured_broker: Broker, stage: Stage, listeners: SecuredListeners, client: ClientName
) -> None:
    way = listeners.login("SCRAM-SHA-256") | {"client": client}
    with granted(stage, MAY, LEAST_PRIVILEGE):
        worker = stage.start(log_level="ERROR", **way).until_ready()
        stage.traffic.send(islice(reviews(seed=1), 100))
        before = stage.committed()
        set_scram_password(secured_broker, "another")
        try:
            secured_broker.kill()
            secured_broker.start()
            assert worker.exit_status() == 5
        finally:
            set_scram_password(secured_broker, PASSWORD)
        until(lambda: lets_in(way), 30, "the old password holds again")
        assert "invalid credentials" in worker.log().splitlines()[-1]
        assert stage.start(until_empty=True, **way).exit_status() == 0
        assert stage.faults(begun_again=[before]) == []
