"""A program: the engine alone, in a process of its own as the worker's is. Prints one JSON object."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from model.engines import load_predictor
from tests.bench.texts import load_texts
from worker.commands.bench.engine import measure_engine
from worker.settings.schema import Settings


def main() -> None:
    """One round, and what the engine says of itself."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--artifact", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reviews", type=int, required=True)
    arguments = parser.parse_args()
    texts = load_texts(arguments.data, arguments.reviews)
    predictor = load_predictor(arguments.artifact)
    predictor.warm_up()
    figures = measure_engine(predictor, texts, window=Settings().max_inflight_records)
    json.dump({"figures": figures, "about": asdict(predictor.info)}, sys.stdout)


if __name__ == "__main__":
    main()
