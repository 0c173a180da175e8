# SPDX-License-Identifier: Apache-2.0
"""A trained model as a program of its own, which runs without bcfl: torch's exported program, or ONNX."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bcfl.models.card import ModelCard
from bcfl.models.errors import ExportImpossible
from bcfl.models.networks.network import build, load_weights
from bcfl.models.weights import Weights

if TYPE_CHECKING:
    import torch

__all__ = ("Format", "export")

Format = Literal["torch", "onnx"]
_ONNX_VERSION = 20
_WRITES_ONNX = ("onnx", "onnxscript")


def export(card: ModelCard, weights: Weights, target: Path, kind: Format) -> None:
    """Write a program that maps ``inputs`` (n, …), as the network sees them, to ``logits`` (n, classes), for any n.

    Args:
        card: of the model.
        weights: its own.
        target: the file.
        kind: ``torch``: what ``torch.export.load`` reads; ``onnx``: what any ONNX runtime does.

    Raises:
        ExportImpossible: what writes ONNX is not installed, or the network is none that can be written down.
        OSError: the file cannot be written.
    """
    import torch  # only who exports waits for it

    missing = [name for name in _WRITES_ONNX if kind == "onnx" and find_spec(name) is None]
    if missing:
        raise ExportImpossible(
            f"ONNX is written by packages that are not here ({', '.join(missing)}): pip install 'bcfl[onnx]', or use --format torch."
        )
    module = build(card.build()).eval()
    load_weights(module, weights)
    # two: of a first dimension of 1 it would be taken for granted
    example = torch.zeros((2, *card.shape), dtype=torch.int64 if card.tokens else torch.float32)
    many = torch.export.Dim("n", min=1)
    try:
        with _quiet():
            data = _onnx(module, example, many) if kind == "onnx" else _program(module, example, many)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ExportImpossible(
            f"The network '{card.network}' cannot be written as {kind}: {reason}."
        ) from error
    target.write_bytes(data)


def _program(module: torch.nn.Module, example: torch.Tensor, many: object) -> bytes:
    import torch

    program = torch.export.export(module, (example,), dynamic_shapes=({0: many},))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def _onnx(module: torch.nn.Module, example: torch.Tensor, many: object) -> bytes:
    import torch

    program = torch.onnx.export(
        module,
        (example,),
        input_names=["inputs"],
        output_names=["logits"],
        dynamic_shapes=({0: many},),
        opset_version=_ONNX_VERSION,
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # noqa: S101 - with dynamo it is one
    data: bytes = program.model_proto.SerializeToString()
    return data


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporters tell programmers of torch what they do."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
