"""The settings of a broker: the same as a file and as variables of a container."""

from deploy.kafka.ports import free_ports
from deploy.kafka.properties import Extras, Listener, Placement, as_file, as_variables, settings

PLACEMENT = Placement(
    client_host="127.0.0.1",
    client_port=9092,
    advertised="127.0.0.1:20001",
    broker_port=9094,
    controller_port=9093,
    data_dir="/data",
)


def test_every_name_of_the_template_is_filled_in() -> None:
    values = settings(PLACEMENT)
    assert not [value for value in values.values() if "$" in value]
    assert values["advertised.listeners"].startswith("CLIENT://127.0.0.1:20001,")


def test_more_listeners_stand_beside_the_plain_one() -> None:
    extras = Extras((Listener("LOGIN", "SASL_SSL", 20002, {"ssl.keystore.key": "a\nb"}),), {"super.users": "User:a"})
    values = settings(PLACEMENT, extras)
    changed = {name: value for name, value in values.items() if settings(PLACEMENT).get(name) != value}
    assert changed.pop("listeners").endswith(",LOGIN://127.0.0.1:20002")
    assert changed.pop("advertised.listeners").endswith(",LOGIN://localhost:20002")
    assert changed.pop("listener.security.protocol.map").endswith(",LOGIN:SASL_SSL")
    assert changed == {"listener.name.login.ssl.keystore.key": "a\\nb", "super.users": "User:a"}


def test_a_listener_with_a_proxy_advertises_the_proxy() -> None:
    behind = Extras((Listener("PROXIED", "PLAINTEXT", 20002, proxy="127.0.0.1:20009"),))
    values = settings(PLACEMENT, behind)
    advertised = dict(entry.split("://") for entry in values["advertised.listeners"].split(","))
    assert (advertised["CLIENT"], advertised["PROXIED"]) == ("127.0.0.1:20001", "127.0.0.1:20009")
    assert "PROXIED://127.0.0.1:20002" in values["listeners"].split(",")


def test_a_container_gets_the_names_that_the_official_image_reads() -> None:
    assert as_variables({"node.id": "1"}) == {"KAFKA_NODE_ID": "1"}
    assert as_variables({"a.scram-sha-256.b_c": "1"}) == {"KAFKA_A_SCRAM___SHA___256_B__C": "1"}


def test_a_file_has_one_setting_a_line() -> None:
    assert as_file({"a": "1", "b.c": "x=y"}) == "a=1\nb.c=x=y\n"


def test_ports_are_different_and_below_those_given_to_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert max(ports) < 32_768
