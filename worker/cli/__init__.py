"""The command line: what there is to choose and to say. The work is done elsewhere, imported when needed."""

import click

import worker
from worker.cli.bench import bench
from worker.cli.completion import completion
from worker.cli.doctor import doctor
from worker.cli.group import exit_statuses_for_help
from worker.cli.lag import lag
from worker.cli.model import model
from worker.cli.program import Program
from worker.cli.records import produce, replay, tail, topics
from worker.cli.run import config, run, schema
from worker.cli.score import score


@click.group(cls=Program, epilog=exit_statuses_for_help(), context_settings={"max_content_width": 110})
@click.version_option(worker.__version__, message="%(version)s")
def main() -> None:
    """Score reviews from Kafka with an LSTM, in micro-batches, losing none.

    Every setting is also a variable of the environment: --linger-ms is SENTIMENT_LINGER_MS.

    \b
    Example:
      sentiment-worker doctor && sentiment-worker run
    """


for command in (run, doctor, lag, topics, produce, tail, replay, score, bench, model, config, schema, completion):
    main.add_command(command)
