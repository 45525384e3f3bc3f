"""`doctor` names the cause where the way in is wrong, with no more rights than a worker has."""

import pytest

from deploy.kafka.ports import free_ports
from tests.security.cluster import KEY_PASSWORD, PASSWORD, USER, Pki, SecuredListeners, Settings
from tests.security.permissions import EXACTLY_ONCE, LEAST_PRIVILEGE, granted
from tests.support.doctor import doctor, doctor_when
from tests.support.stage import Stage

pytestmark = [pytest.mark.broker, pytest.mark.usefixtures("logging_as_it_was")]

PRINCIPAL = f"User:{USER}"


@pytest.fixture
def settings(stage: Stage, tiny_artifact: object) -> Settings:
    """Of a worker whose way in is still to be chosen."""
    return {
        "input_topic": stage.topics.input,
        "output_topic": stage.topics.output,
        "dlq_topic": stage.topics.dlq,
        "group_id": stage.group,
        "model": tiny_artifact,
        "http_port": free_ports(1)[0],
        "threads": 1,
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_who_has_the_least_privileges_passes_though_not_all_can_be_seen(
    stage: Stage, listeners: SecuredListeners, settings: Settings, mechanism: str
) -> None:
    with granted(stage, PRINCIPAL, LEAST_PRIVILEGE):
        report = doctor_when(settings | listeners.login(mechanism) | {"delivery": "exactly_once"}, set())
    assert report.status == 0
    assert "may not read the settings" in report.about("topic settings")
    assert "does not report its time to this user" in report.about("clock")
    assert "one was begun" in str([each for each in report.findings if each["check"] == "transactions"])


def test_a_wrong_password(listeners: SecuredListeners, settings: Settings) -> None:
    report = doctor(settings | listeners.login("PLAIN") | {"sasl_password": "wrong"})
    assert (report.status, report.failed()) == (11, {"broker"})
    assert "Invalid username or password" in report.about("broker")
    assert "Check sasl_mechanism and the user's password" in report.about("broker")


def test_plaintext_spoken_to_a_tls_listener(listeners: SecuredListeners, settings: Settings) -> None:
    report = doctor(settings | {"bootstrap_servers": listeners.mutual_tls.address})
    assert (report.status, report.failed()) == (11, {"broker"})
    assert "speaks TLS, and the settings speak plaintext (PLAINTEXT)" in report.about("broker")
    assert "SENTIMENT_SECURITY_PROTOCOL=SSL" in report.about("broker")


def test_tls_and_a_login_spoken_to_a_listener_without_tls(listeners: SecuredListeners, settings: Settings) -> None:
    way = listeners.login("PLAIN") | {"bootstrap_servers": listeners.sasl_plaintext.address}
    report = doctor(settings | way)
    assert report.failed() == {"broker"}
    assert "SENTIMENT_SECURITY_PROTOCOL=SASL_PLAINTEXT" in report.about("broker")


def test_no_login_where_one_is_asked_for(listeners: SecuredListeners, settings: Settings) -> None:
    report = doctor(settings | {"bootstrap_servers": listeners.sasl_plaintext.address})
    assert report.failed() == {"broker"}
    assert "try SENTIMENT_SECURITY_PROTOCOL=SASL_PLAINTEXT" in report.about("broker")


def test_a_certificate_of_an_authority_that_is_not_trusted(
    listeners: SecuredListeners, pki: Pki, settings: Settings
) -> None:
    report = doctor(settings | listeners.login("PLAIN") | {"ssl_cafile": pki.stranger.certificate})
    assert report.failed() == {"broker"}
    assert "certificate is not accepted" in report.about("broker")
    assert "ssl_cafile" in report.about("broker")


def test_a_key_whose_password_is_wrong(listeners: SecuredListeners, pki: Pki, settings: Settings) -> None:
    way = listeners.certificate(pki.encrypted_client) | {"ssl_keypassword": "wrong"}
    report = doctor(settings | way)
    assert report.failed() == {"broker"}
    assert "ssl_keypassword" in report.about("broker")


def test_a_transactional_id_that_was_not_granted(stage: Stage, listeners: SecuredListeners, settings: Settings) -> None:
    rest = [permission for permission in LEAST_PRIVILEGE if permission.delivery != EXACTLY_ONCE]
    with granted(stage, PRINCIPAL, rest):
        report = doctor_when(settings | listeners.login("PLAIN") | {"delivery": "exactly_once"}, {"transactions"})
    assert f"Write on transactional id {stage.group}." in report.about("transactions")


def test_no_secret_is_shown(stage: Stage, listeners: SecuredListeners, pki: Pki, settings: Settings) -> None:
    own = pki.encrypted_client
    key = {"ssl_certfile": own.certificate, "ssl_keyfile": own.key, "ssl_keypassword": KEY_PASSWORD}
    way = listeners.login("PLAIN") | key | {"log_level": "DEBUG"}
    with granted(stage, PRINCIPAL, LEAST_PRIVILEGE):
        shown = str(doctor(settings | way))
    refused = str(doctor(settings | way | {"sasl_username": "nobody"}))
    assert [secret for secret in (PASSWORD, KEY_PASSWORD) if secret in shown + refused] == []
