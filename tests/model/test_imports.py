"""Importing the contract of the model package loads no heavy library."""

import subprocess
import sys


def run(program: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=120)


def test_the_contract_and_the_choice_of_engines_are_imported_without_torch() -> None:
    run(
        "import sys, model, model.errors, model.predictor, model.artifacts, model.engines\n"
        "sys.exit(bool({'torch', 'safetensors'} & set(sys.modules)))"
    )


def test_an_artifact_is_loaded_and_texts_are_tokenized_without_torch() -> None:
    run(
        "import sys\n"
        "from model.artifact import load_artifact\n"
        "from model.artifacts import DEFAULT_ARTIFACT\n"
        "import model.engines.engine, model.engines.grouping\n"
        "assert len(load_artifact(DEFAULT_ARTIFACT).tokenizer.tokenize('a good film')) == 3\n"
        "sys.exit('torch' in sys.modules)"
    )


def test_importing_the_engine_starts_no_thread_and_changes_no_setting() -> None:
    run(
        "import sys, threading, torch\n"
        "before = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()\n"
        "import model.engines.cuda_engine, model.engines.torch_engine, model.notebook\n"
        "after = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()\n"
        "sys.exit(before != after or threading.active_count() != 1)"
    )
