"""Which engines are tried, in which order, and the reasons given."""

from itertools import product

import pytest

from model.engines.choice import DEVICES, ENGINES, PRECISIONS, WAYS, Choice, choices, explain
from model.errors import ModelError

NATIVE, ONNX = Choice("native", "cpu", "int16"), Choice("onnx", "cpu", "fp32")
TORCH, ON_GPU = Choice("torch", "cpu", "fp32"), Choice("torch", "cuda", "fp16")


@pytest.mark.parametrize(
    ("asked", "gpu", "tried"),
    [
        (("auto", "auto", "auto"), True, [ON_GPU, NATIVE, ONNX, TORCH]),
        (("auto", "auto", "auto"), False, [NATIVE, ONNX, TORCH]),
        (("auto", "cpu", "auto"), True, [NATIVE, ONNX, TORCH]),
        (("auto", "cuda", "auto"), False, [ON_GPU]),
        (("torch", "auto", "auto"), True, [ON_GPU, TORCH]),
        (("torch", "auto", "auto"), False, [TORCH]),
        (("onnx", "auto", "auto"), True, [ONNX]),
        (("auto", "auto", "fp32"), False, [Choice("native", "cpu", "fp32"), ONNX, TORCH]),
        (("auto", "cuda", "fp32"), True, [Choice("torch", "cuda", "fp32")]),
        (("auto", "auto", "fp16"), True, [ON_GPU]),
    ],
)
def test_what_is_tried_in_which_order(asked: tuple[str, str, str], gpu: bool, tried: list[Choice]) -> None:
    assert choices(*asked, gpu=gpu) == tried


@pytest.mark.parametrize("gpu", [True, False])
def test_each_choice_is_an_existing_way_or_refused(gpu: bool) -> None:
    for engine, device, precision in product(ENGINES, DEVICES, PRECISIONS):
        try:
            tried = choices(engine, device, precision, gpu=gpu)
        except ModelError:
            continue
        assert tried
        for choice in tried:
            assert choice.engine == engine or engine == "auto"
            assert choice.device == device or device == "auto"
            assert choice.precision == precision or precision == "auto"
            assert any(
                (way.engine, way.device) == (choice.engine, choice.device) and choice.precision in way.precisions
                for way in WAYS
            )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("abacus", "auto", "auto"), "engine 'abacus' is not known; the choices are auto, native, onnx, torch"),
        (("auto", "tpu", "auto"), "device 'tpu' is not known; the choices are auto, cpu, cuda"),
        (("auto", "auto", "fp8"), "precision 'fp8' is not known; the choices are auto, fp16, fp32, int16"),
        (("onnx", "cuda", "auto"), "no engine supports .*; there are torch on cuda in fp16, fp32; "),
        (("auto", "cpu", "fp16"), r"no engine supports .*engine auto, device cpu, precision fp16"),
        (("torch", "auto", "fp16"), "precision fp16 needs a GPU, and none is in sight"),
    ],
)
def test_what_no_engine_supports_is_refused_with_the_alternatives(asked: tuple[str, str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        choices(*asked, gpu=False)


def test_the_reason_names_what_better_engine_is_missing_and_why() -> None:
    why = explain(ONNX, asked="auto", gpu=False, passed_over=["native: no compiler"])
    assert why == "the fastest available; no GPU in sight; native: no compiler; torch is not imported"


def test_an_engine_that_was_asked_for_needs_no_other_reason() -> None:
    assert explain(TORCH, asked="torch", gpu=True, passed_over=[]) == "asked for"
