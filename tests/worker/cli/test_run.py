"""`run` refuses to start. What it does once it runs: tests/integration."""

import socket

from tests.worker.cli.runner import invoke


def test_run_refuses_wrong_settings_before_it_does_anything() -> None:
    result = invoke("run", "--delivery", "exactly_twice")
    assert result.exit_code == 2
    assert result.stderr == "sentiment-worker: --delivery = 'exactly_twice': must be at_least_once or exactly_once\n"


def test_run_reports_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = invoke("run", "--http-port", port, "--bootstrap-servers", "127.0.0.1:1", "--log-level", "ERROR")
    assert result.exit_code == 7
    assert result.stderr.startswith(f"sentiment-worker: cannot listen on 127.0.0.1:{port}: ")
    assert result.stderr.count("\n") == 1
