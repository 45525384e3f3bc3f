"""Bytewax: a dataflow whose steps take whole batches; it ends with its input, and commits to no consumer group."""

import json

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from tests.bench.peers.job import BATCH, given, load_scorer, results


def main() -> None:
    """Score the topic to its end."""
    job = given()
    scorer = load_scorer(job.engine, job.artifact)

    def score(messages: list[KafkaSourceMessage]) -> list[KafkaSinkMessage]:
        values = results([json.loads(message.value) for message in messages], scorer)
        return [
            KafkaSinkMessage(message.key, value, topic=job.output)
            for message, value in zip(messages, values, strict=True)
        ]

    brokers = [job.bootstrap_servers]
    flow = Dataflow("sentiment")
    read = kop.input("read", flow, brokers=brokers, topics=[job.input], tail=False, batch_size=BATCH)
    scored = op.flat_map_batch("score", read.oks, score)
    kop.output("publish", scored, brokers=brokers, topic=job.output)
    run_main(flow)


if __name__ == "__main__":
    main()
