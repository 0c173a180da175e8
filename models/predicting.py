# SPDX-License-Identifier: Apache-2.0
"""What a trained model says of samples that somebody brings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bcfl.models.card import ModelCard
from bcfl.models.data.cache import load_arrays
from bcfl.models.data.dataset import Samples
from bcfl.models.data.user_images import image_files, pixels_of
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.models.networks.network import build, load_weights
from bcfl.models.performance import Performance, performance
from bcfl.models.weights import Weights

__all__ = ("Answers", "answers", "samples_of")

_ARRAYS = ("x", "x_test")
_CHUNK = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Of n samples.

    ``names`` (n,): of each sample; ``probabilities`` (n, classes); ``performance``: where the samples bring their classes.
    """

    names: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    performance: Performance | None


def samples_of(path: Path, card: ModelCard) -> tuple[tuple[str, ...], Samples, bool]:
    """What lies at a path, as the model takes it: names, samples, and whether their targets are known.

    An .npz with ``x`` (or ``x_test``), raw as the training data were, and ``y`` where the classes are known; a picture or a folder
    of pictures; a text, of which every window is a sample.

    Raises:
        DataUnavailable: there is nothing.
        DataCorrupt: it is something else, or of another shape.
    """
    if not path.exists():
        raise DataUnavailable(f"There is no {path} to predict for: correct its path.")
    targets = None
    if path.suffix == ".npz":
        names, inputs, targets = _arrays(path)
    elif card.tokens:
        names, inputs, targets = _windows(path, card)
    elif path.suffix in {".csv", ".parquet"}:
        raise DataCorrupt(
            f"{path} is a table, and rows are encoded by the training data's means and words, which a model does not carry: give an .npz "
            f"of encoded rows, or predict for the run's own data without --data."
        )
    else:
        files = image_files(path)
        names = tuple(str(file) for file in files)
        inputs = np.stack([pixels_of(file, card.shape) for file in files])
    if inputs.shape[1:] != card.shape:
        raise DataCorrupt(
            f"The samples of {path} have the shape {_times(inputs.shape[1:])}, and the model takes {_times(card.shape)}: make them alike."
        )
    if card.tokens:
        inputs = inputs.astype(np.int64)
    elif inputs.dtype != np.uint8:
        inputs = inputs.astype(np.float32)
    known = targets is not None
    samples = Samples(
        inputs=inputs,
        targets=np.zeros(len(inputs), dtype=np.int64) if targets is None else targets,
        scale=card.scale,
        tokens=card.tokens,
    )
    return names, samples, known


def answers(
    card: ModelCard, weights: Weights, names: tuple[str, ...], samples: Samples, *, known: bool
) -> Answers:
    """What the model says of each sample."""
    import torch  # only who predicts waits for it

    from bcfl.models.training.tensors import DeviceSamples

    module = build(card.build()).eval()
    load_weights(module, weights)
    given = DeviceSamples(samples, torch.device("cpu"))
    with torch.inference_mode():
        parts = [module(given.batch(chunk)[0]).numpy() for chunk in torch.split(given.indices(None), _CHUNK)]
    logits = np.concatenate(parts)
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return Answers(
        names=names,
        probabilities=raised / raised.sum(axis=1, keepdims=True),
        performance=performance(logits, samples.targets) if known else None,
    )


def _arrays(path: Path) -> tuple[tuple[str, ...], npt.NDArray[np.generic], npt.NDArray[np.int64] | None]:
    found = load_arrays(path, (), optional=(*_ARRAYS, "y", "y_test"))
    name = next((one for one in _ARRAYS if one in found), None)
    if name is None:
        raise DataCorrupt(f"{path} has no array x (or x_test): save the samples under that name.")
    inputs, targets = found[name], found.get(name.replace("x", "y"))
    if not len(inputs) or not np.issubdtype(inputs.dtype, np.number):
        raise DataCorrupt(
            f"{name} of {path} must hold numbers, one row a sample at least, not {inputs.shape} of {inputs.dtype}."
        )
    if targets is not None and (
        targets.shape != (len(inputs),) or not np.issubdtype(targets.dtype, np.integer)
    ):
        raise DataCorrupt(
            f"{path} has {targets.shape} classes for {len(inputs)} samples: give one integer for each, or none."
        )
    names = tuple(map(str, range(len(inputs))))
    return names, inputs, None if targets is None else targets.astype(np.int64)


def _windows(
    path: Path, card: ModelCard
) -> tuple[tuple[str, ...], npt.NDArray[np.generic], npt.NDArray[np.int64]]:
    """Each window of a text, and the character that follows it."""
    numbers = {_character(label): number for number, label in enumerate(card.labels)}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataCorrupt(f"{path} cannot be read as a text: {error}.") from error
    text = " ".join(text.split())
    (length,) = card.shape
    strange = sorted({letter for letter in text if letter not in numbers})
    if strange:
        raise DataCorrupt(f"{path} has {strange[0]!r}, which the model's alphabet lacks: leave it out.")
    if len(text) <= length:
        raise DataCorrupt(
            f"{path} has {len(text)} characters, and a window is {length} with one to guess: give a longer text."
        )
    tokens = np.array([numbers[letter] for letter in text], dtype=np.int64)
    views = np.lib.stride_tricks.sliding_window_view(tokens, length + 1)
    names = tuple(text[place : place + length] for place in range(len(views)))
    return names, views[:, :-1].copy(), views[:, -1].copy()


def _character(label: str) -> str:
    """Blanks are called as Python writes them (``' '``)."""
    return (
        label[1:-1].encode().decode("unicode_escape")
        if len(label) > 2 and label[0] == label[-1] == "'"
        else label
    )


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "of single numbers"
