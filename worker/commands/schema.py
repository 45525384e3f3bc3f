"""The `schema` command: JSON Schemas of the messages and of `/status.json`, and an AsyncAPI document of the topics."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

import worker
from worker.monitoring.status.document import StatusDocument
from worker.settings.schema import Settings, meaning
from worker.wire.headers import Header, On
from worker.wire.review import Review
from worker.wire.scored import ScoredReview

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
MODELS: Final[dict[str, tuple[type[BaseModel], JsonSchemaMode]]] = {
    "review": (Review, "validation"),  # a value of the input topic
    "scored": (ScoredReview, "serialization"),  # a value of the output topic; later versions may add fields
    "status": (StatusDocument, "serialization"),  # `/status.json`; later versions may add fields
}


def document_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of one of MODELS, or for `asyncapi` that document."""
    if name == "asyncapi":
        return asyncapi()
    model, mode = MODELS[name]
    return {"$schema": DIALECT, **model.model_json_schema(mode=mode)}


def asyncapi() -> dict[str, Any]:
    """Return an AsyncAPI 3.0 document of the three topics, with their default names."""
    messages = MODELS["review"], MODELS["scored"]
    _, definitions = models_json_schema(messages, ref_template="#/components/schemas/{model}")
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
    return {
        "address": Settings.model_fields[setting].default,
        "description": f"{meaning(setting)} Named by the setting `{setting}`.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _messages() -> dict[str, Any]:
    return {
        "review": {
            "summary": "A review to score. It may have any headers; the result keeps them.",
            "payload": {"$ref": "#/components/schemas/Review"},
            **_keyed("Chooses the partition. The result has the same key. The review's id is a good key."),
        },
        "scored": {
            "summary": "The result of one review. Results of a partition have the order of their reviews.",
            "payload": {"$ref": "#/components/schemas/ScoredReview"},
            **_keyed("The key of the review."),
            **_headers("Those of the review, and:", On.RESULTS),
        },
        "tombstone": {
            "summary": "A null value deletes the record with this key. The worker passes it on to the output.",
            "payload": {"type": "null"},
            **_keyed("The key of the deleted record."),
        },
        "deadLetter": {
            "summary": "A record that could not be scored, with its key and value unchanged.",
            "contentType": "application/octet-stream",
            "payload": {"description": "The bytes of the input record, of any kind."},
            **_headers("Those of the record, and:", On.RESULTS, On.DEAD_LETTERS),
        },
    }


def _keyed(description: str) -> dict[str, Any]:
    return {"bindings": {"kafka": {"key": {"type": "string", "description": description}}}}


def _headers(description: str, *always: On) -> dict[str, Any]:
    return {
        "headers": {
            "type": "object",
            "description": description,
            "properties": {
                header.value: {"type": "string", "description": header.meaning}
                for header in Header
                if header.on in (*always, On.REPLAYED)
            },
            "required": [header.value for header in Header if header.on in always],
        }
    }


def text_of(name: str) -> str:
    """Return the text of a document's file."""
    return json.dumps(document_of(name), indent=2, ensure_ascii=False) + "\n"


def write_all(directory: Path) -> None:
    """Write every document to `<name>.json` in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in (*MODELS, "asyncapi"):
        (directory / f"{name}.json").write_text(text_of(name), "utf-8")
