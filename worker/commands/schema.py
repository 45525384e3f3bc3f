"""What others need to read and write our topics, and to read `/status.json`: JSON Schemas and an AsyncAPI document."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import models_json_schema

import worker
from worker.monitoring.status.document import StatusDocument
from worker.settings.schema import Settings
from worker.wire.messages import Reason, Review, ScoredReview

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_PROVENANCE: Final = {
    "sentiment-source": "`topic-partition-offset` of the input record",
    "sentiment-worker": "version of the worker",
    "sentiment-model": "`name@version` of the model",
    "sentiment-model-sha256": "digest of the artifact's manifest",
}
_REPLAYED: Final = {"sentiment-replays": "how often the review was sent back from the dead-letter topic"}
_DEAD_LETTER: Final = {
    **_PROVENANCE,
    "sentiment-reason": f"why: one of {', '.join(reason.value for reason in Reason)}",
    "sentiment-error": "the same in words, at most 1000 characters",
    "sentiment-failed-at": "when, RFC 3339",
    "sentiment-source-topic": "topic of the input record",
    "sentiment-source-partition": "its partition",
    "sentiment-source-offset": "its offset",
    "sentiment-source-timestamp": "its timestamp, epoch milliseconds; empty when it had none",
}


def review_schema() -> dict[str, Any]:
    """Return what a value of the input topic must look like."""
    return {"$schema": DIALECT, **Review.model_json_schema()}


def scored_schema() -> dict[str, Any]:
    """Return what a value of the output topic looks like; later versions may add fields."""
    return {"$schema": DIALECT, **ScoredReview.model_json_schema(mode="serialization")}


def status_schema() -> dict[str, Any]:
    """Return what `/status.json` answers; later versions may add fields."""
    return {"$schema": DIALECT, **StatusDocument.model_json_schema(mode="serialization")}


def asyncapi() -> dict[str, Any]:
    """Return the three topics, under their default names, as an AsyncAPI 3.0 document."""
    _, definitions = models_json_schema(
        [(Review, "validation"), (ScoredReview, "serialization")], ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Sentiment worker", "version": worker.__version__, "description": worker.__doc__},
        "defaultContentType": "application/json",
        "channels": {
            "raw": _channel("input_topic", "review", "tombstone"),
            "scored": _channel("output_topic", "scored", "tombstone"),
            "dlq": _channel("dlq_topic", "deadLetter"),
        },
        "operations": {
            "readReviews": {"action": "receive", "channel": {"$ref": "#/channels/raw"}},
            "writeScores": {"action": "send", "channel": {"$ref": "#/channels/scored"}},
            "writeDeadLetters": {"action": "send", "channel": {"$ref": "#/channels/dlq"}},
        },
        "components": {"messages": _messages(), "schemas": definitions["$defs"]},
    }


def _channel(setting: str, *messages: str) -> dict[str, Any]:
    field = Settings.model_fields[setting]
    return {
        "address": field.default,
        "description": f"{field.description} Named by the setting `{setting}`.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _messages() -> dict[str, Any]:
    return {
        "review": {
            "summary": "A review to score. Headers are free and carried over to the result.",
            "payload": {"$ref": "#/components/schemas/Review"},
            **_keyed("Chooses the partition, so the order; kept in the result. The review's id is a good key."),
        },
        "scored": {
            "summary": "The score of one review, in its partition's order.",
            "payload": {"$ref": "#/components/schemas/ScoredReview"},
            **_keyed("The key of the review."),
            **_headers("Those of the review, and:", _PROVENANCE),
        },
        "tombstone": {
            "summary": "A null value deletes what the key held; one on the input becomes one on the output.",
            "payload": {"type": "null"},
            **_keyed("Whatever is deleted."),
        },
        "deadLetter": {
            "summary": "A record that could not be scored, its key and value unchanged.",
            "contentType": "application/octet-stream",
            "payload": {"description": "The bytes of the input record; any."},
            **_headers("Those of the record, and:", _DEAD_LETTER),
        },
    }


def _keyed(description: str) -> dict[str, Any]:
    return {"bindings": {"kafka": {"key": {"type": "string", "description": description}}}}


def _headers(description: str, headers: dict[str, str]) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": meaning} for name, meaning in (headers | _REPLAYED).items()}
    return {
        "headers": {
            "type": "object",
            "description": description,
            "properties": properties,
            "required": list(headers),
        }
    }


DOCUMENTS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "review": review_schema,
    "scored": scored_schema,
    "status": status_schema,
    "asyncapi": asyncapi,
}


def to_text(document: dict[str, Any]) -> str:
    """Return a document as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write_all(directory: Path) -> None:
    """Write every document to a file of its name in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, document in DOCUMENTS.items():
        (directory / f"{name}.json").write_text(to_text(document()), "utf-8")
