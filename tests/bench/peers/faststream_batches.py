"""FastStream: a batch subscriber that publishes before it acknowledges; the forward runs beside the event loop."""

import asyncio
import logging

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage, KafkaPublishMessage

from tests.bench.peers.job import BATCH, given, load_scorer, results


def main() -> None:
    """Score as many reviews as asked for, then end."""
    job = given()
    scorer = load_scorer(job.engine, job.artifact)
    broker = KafkaBroker(job.bootstrap_servers, log_level=logging.WARNING)
    app = FastStream(broker)
    left = job.reviews

    @broker.subscriber(  # type: ignore[untyped-decorator]  # not installed where mypy looks
        job.input,
        batch=True,
        max_records=BATCH,
        group_id=job.group,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def score(reviews: list[dict[str, str]], message: KafkaMessage) -> None:
        nonlocal left
        values = await asyncio.to_thread(results, reviews, scorer)
        await broker.publish_batch(
            *(
                KafkaPublishMessage(value, key=record.key)
                for record, value in zip(message.raw_message, values, strict=True)
            ),
            topic=job.output,
        )
        left -= len(reviews)
        if left <= 0:
            app.exit()

    asyncio.run(app.run())


if __name__ == "__main__":
    main()
