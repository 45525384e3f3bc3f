"""`completion`, and the answers that its scripts get."""

import pytest
from click.testing import CliRunner

from tests.worker.cli.runner import invoke
from worker.cli import main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell: str) -> None:
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert f"_SENTIMENT_WORKER_COMPLETE={shell}_complete" in result.stdout


def test_a_shell_gets_commands_and_flags() -> None:
    """What the script runs each time the completion key is pressed."""
    asked = {"_SENTIMENT_WORKER_COMPLETE": "bash_complete"}
    words = {"sentiment-worker do": "1", "sentiment-worker lag --wat": "2"}
    answers = [
        CliRunner(env=asked | {"COMP_WORDS": typed, "COMP_CWORD": place}).invoke(
            main, prog_name="sentiment-worker", standalone_mode=True
        )
        for typed, place in words.items()
    ]
    assert [result.stdout.split() for result in answers] == [["plain,doctor"], ["plain,--watch"]]
