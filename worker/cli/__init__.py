"""The command line: each command's flags, in a file of its name. The work is in `worker.commands`.

That is imported when a command runs: `--help` is quick. The functions there take the flags by name.
"""

import click

import worker
from worker.cli import bench, completion, config, doctor, lag, model, produce, replay, run, schema, score, tail, topics
from worker.cli.program import HELP, Program, exit_statuses_for_help


@click.group(cls=Program, epilog=exit_statuses_for_help(), context_settings=HELP)
@click.version_option(worker.__version__, message="%(version)s")
def main() -> None:
    """Score reviews from Kafka with an LSTM, in micro-batches, losing none.

    Every setting is also an environment variable: --linger-ms is SENTIMENT_LINGER_MS.

    \b
    Example:
      sentiment-worker doctor && sentiment-worker run
    """


for command in (
    run.run, doctor.doctor, lag.lag, topics.topics, produce.produce, tail.tail, replay.replay, score.score,
    bench.bench, model.model, config.config, schema.schema, completion.completion,
):  # fmt: skip
    main.add_command(command)
