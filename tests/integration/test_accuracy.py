"""The shipped model, through Kafka, on reviews whose writers said what they thought."""

import json
from itertools import islice

import pytest

from deploy.demo.sample import read_sample
from deploy.kafka.broker import Broker
from model.artifacts import DEFAULT_ARTIFACT
from tests.support.kafka_io import Message, read_all
from tests.support.stage import MakeStage

pytestmark = pytest.mark.broker

REVIEWS = 200
LEAST_ACCURACY = 0.85  # the worst of the models that may ship has 0.88; of 200 reviews one in ten samples has less


def test_the_shipped_model_agrees_with_the_writers_of_reviews_and_flags_none_of_them(
    broker: Broker, make_stage: MakeStage
) -> None:
    stage = make_stage(broker.address, model=DEFAULT_ARTIFACT)
    sample = list(islice(read_sample(), REVIEWS))
    stage.traffic.send(
        Message(
            json.dumps({"review_id": review.review_id, "text": review.text}).encode(),
            key=review.review_id.encode(),
            partition=number % 4,
        )
        for number, review in enumerate(sample)
    )
    assert stage.start(until_empty=True).exit_status() == 0
    assert stage.faults() == []
    values = [json.loads(stored.value or b"") for stored in read_all(broker.address, stage.topics.output)]
    said = {value["review_id"]: value["sentiment"] for value in values}
    right = sum(said[review.review_id] == review.sentiment for review in sample)
    assert right / len(sample) > LEAST_ACCURACY
    assert not any(value["out_of_domain"] for value in values)
