"""`python -m model`: make an artifact of a notebook's files, and look at an artifact."""

import json
from pathlib import Path

import click
import numpy as np

from model.artifact import Artifact, Calibration, load_artifact, save_artifact
from model.artifact_parts import config_to_json
from model.errors import ModelError

_IMPORT_CARD = """# {title}

Imported from a state dict of the reference network "Sentiment RNN" ({state_dict}) and its vocabulary ({vocab}).

- Network: embedding {network.embedding}, {network.n_layers} LSTM layers of {network.hidden_dim}; reads {words} words
- Training data, recipe and accuracy: not known to this program; ask whoever trained it
- Calibration: none; the score is the network's own sigmoid
"""


@click.group()
def main() -> None:
    """Model artifacts."""


@main.command("import")
@click.option("--state-dict", type=click.Path(path_type=Path), required=True, help="File of network.state_dict().")
@click.option("--vocab", type=click.Path(path_type=Path), required=True, help="JSON: {word: id}, or words by id.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory to write.")
@click.option("--name", default="sentiment-rnn", show_default=True, help="The model's name in every result.")
@click.option("--version", default="1", show_default=True, help="The model's version in every result.")
@click.option("--max-tokens", default=200, show_default=True, type=click.IntRange(1, 100_000), help="Words read.")
def import_notebook(state_dict: Path, vocab: Path, out: Path, name: str, version: str, max_tokens: int) -> None:
    """Make an artifact of the reference notebook's files."""
    from model.networks import config_of, weights_of  # the one command that needs torch
    from model.notebook import load_state_dict, load_vocabulary

    try:
        network = load_state_dict(state_dict)
        tokenizer = load_vocabulary(vocab, network, max_tokens)
        card = _IMPORT_CARD.format(
            title=f"{name} {version}", state_dict=state_dict.name, vocab=vocab.name, network=network, words=max_tokens
        )
        artifact = save_artifact(
            out,
            name=name,
            version=version,
            network=config_of(network),
            weights=weights_of(network),
            tokenizer=tokenizer,
            calibration=Calibration(),
            card=card,
            storage_dtype=np.float32,  # half would change the notebook's numbers
        )
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    click.echo(_describe(artifact))


@main.command()
@click.argument("directory", type=click.Path(path_type=Path))
def info(directory: Path) -> None:
    """Check an artifact and say what it is."""
    try:
        artifact = load_artifact(directory)
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    click.echo(_describe(artifact))


def _describe(artifact: Artifact) -> str:
    """Digest, config, and the card up to its first section."""
    config = json.dumps(config_to_json(artifact.config), indent=2)
    summary = artifact.card.split("\n## ")[0].strip()
    return f"{artifact.directory}\nsha256 {artifact.sha256}\n{config}\n\n{summary}"


if __name__ == "__main__":
    main(prog_name="python -m model")
