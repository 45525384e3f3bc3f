"""Quix Streams: a batching sink, which gets what was read since the last checkpoint, and publishes before the next."""

from quixstreams import Application
from quixstreams.kafka import Producer
from quixstreams.sinks import BatchingSink, SinkBatch

from tests.bench.peers.job import BATCH, Scorer, given, load_scorer, results

PARTITIONS = 4  # a checkpoint holds about a batch of each


class ScoringSink(BatchingSink):  # type: ignore[misc]  # not installed where mypy looks
    """Scores a partition's share of a checkpoint at once."""

    def __init__(self, scorer: Scorer, producer: Producer, output: str) -> None:
        super().__init__()
        self._scorer = scorer
        self._producer = producer
        self._output = output

    def write(self, batch: SinkBatch) -> None:
        """Publish and wait for the broker: the checkpoint follows."""
        for chunk in batch.iter_chunks(BATCH):
            items = list(chunk)
            values = results([item.value for item in items], self._scorer)
            for item, value in zip(items, values, strict=True):
                self._producer.produce(self._output, value, key=item.key)
        self._producer.flush()


def main() -> None:
    """Score as many reviews as asked for, then end."""
    job = given()
    scorer = load_scorer(job.engine, job.artifact)
    app = Application(
        broker_address=job.bootstrap_servers,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_every=PARTITIONS * BATCH,
        loglevel="WARNING",
    )
    reviews = app.dataframe(app.topic(job.input, value_deserializer="json", key_deserializer="bytes"))
    with app.get_producer() as producer:
        reviews.sink(ScoringSink(scorer, producer, job.output))
        app.run(count=job.reviews, collect=False)


if __name__ == "__main__":
    main()
