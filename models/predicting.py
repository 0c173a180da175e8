# SPDX-License-Identifier: Apache-2.0
"""What a trained model says of samples that somebody brings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bcfl.models.card import ModelCard
from bcfl.models.data.cache import load_arrays
from bcfl.models.data.dataset import Samples, shape_words
from bcfl.models.data.user_images import image_files, pixels_of
from bcfl.models.data.user_tables import encoded_rows
from bcfl.models.errors import DataCorrupt, DataUnavailable
from bcfl.models.networks.network import build, load_weights
from bcfl.models.weights import Weights

__all__ = ("Question", "answers", "checked", "question_of")

_ARRAYS = ("x", "x_test")
_CHUNK = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """Samples with a name each; ``known``: whether their targets are."""

    names: Sequence[str]
    samples: Samples
    known: bool


def question_of(path: Path, card: ModelCard) -> Question:
    """What lies at a path, as the model takes it.

    A table (CSV or Parquet) with the columns of the one that it was trained on; an .npz with ``x`` (or ``x_test``), raw as the training data were, and ``y`` where the classes are known; a picture or a folder
    of pictures; a text, of which every window is a sample.

    Raises:
        DataUnavailable: there is nothing.
        DataCorrupt: it is something else, or nothing that the model can be asked about.
    """
    if not path.exists():
        raise DataUnavailable(f"There is no {path} to predict for: correct its path.")
    if path.suffix == ".npz":
        found = _arrays(path, card)
    elif card.tokens:
        found = _windows(path, card)
    elif path.suffix in {".csv", ".tsv", ".txt", ".parquet"}:
        found = _rows(path, card)
    else:
        found = _pictures(path, card)
    checked(found.samples, card, str(path))
    return found


def checked(samples: Samples, card: ModelCard, where: str) -> None:
    """Whether the model can be asked about the samples, and their targets are classes of its own.

    Raises:
        DataCorrupt: it cannot.
    """
    if samples.tokens != card.tokens or samples.inputs.shape[1:] != card.shape:
        raise DataCorrupt(
            f"The samples of {where} have the shape {shape_words(samples.inputs.shape[1:])}, and the model takes {shape_words(card.shape)}: make them "
            f"alike."
        )
    if samples.inputs.dtype == np.float32 and not np.isfinite(samples.inputs).all():
        raise DataCorrupt(
            f"The samples of {where} have a number that is not finite: mend it or leave the sample out."
        )
    known = card.vocabulary()
    if known is not None and not 0 <= int(samples.inputs.min()) <= int(samples.inputs.max()) < known:
        raise DataCorrupt(
            f"The samples of {where} have tokens below 0 or above {known - 1}, which the model does not know."
        )
    if samples.classes > len(card.labels):
        raise DataCorrupt(
            f"{where} has the class {samples.classes - 1}, and the model tells {len(card.labels)} apart, counted from 0: correct y."
        )


def answers(card: ModelCard, weights: Weights, question: Question) -> Iterator[npt.NDArray[np.float64]]:
    """The probability of each class, (n, classes) for each few samples in turn; they are checked before."""
    import torch  # only who predicts waits for it

    from bcfl.models.training.tensors import DeviceSamples

    module = build(card.build()).eval()
    load_weights(module, weights)
    given = DeviceSamples(question.samples, torch.device("cpu"))
    with torch.inference_mode():
        for chunk in torch.split(given.indices(None), _CHUNK):
            logits = module(given.batch(chunk)[0]).numpy().astype(np.float64)
            raised = np.exp(logits - logits.max(axis=1, keepdims=True))
            yield raised / raised.sum(axis=1, keepdims=True)


def _arrays(path: Path, card: ModelCard) -> Question:
    found = load_arrays(path, (), optional=(*_ARRAYS, "y", "y_test"))
    name = next((one for one in _ARRAYS if one in found), None)
    if name is None:
        raise DataCorrupt(f"{path} has no array x (or x_test): save the samples under that name.")
    x, y = found[name], found.get(name.replace("x", "y"))
    kinds = np.integer if card.tokens else np.number
    if x.ndim == 0 or not len(x) or not np.issubdtype(x.dtype, kinds) or np.iscomplexobj(x):
        what = "integers" if card.tokens else "real numbers"
        raise DataCorrupt(
            f"{name} of {path} must hold {what}, one row a sample at least, not {x.dtype} of the shape {x.shape}."
        )
    if y is not None and (y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer) or int(y.min()) < 0):
        raise DataCorrupt(
            f"y of {path} must hold a class, an integer from 0, for each of the {len(x)} samples, or be left out."
        )
    return Question(names=range_names(len(x)), samples=_samples(x, y, card), known=y is not None)


def _rows(path: Path, card: ModelCard) -> Question:
    if card.encoding is None:
        raise DataCorrupt(
            f"{path} is a table, and the model was not trained on one: give an .npz with x as the training data were."
        )
    x, y = encoded_rows(path, card.encoding, card.labels)
    return Question(names=range_names(len(x)), samples=_samples(x, y, card), known=y is not None)


def range_names(count: int) -> Sequence[str]:
    """Samples that have no names are called by their number."""
    return [str(number) for number in range(count)]


def _pictures(path: Path, card: ModelCard) -> Question:
    if not card.pictures:
        raise DataCorrupt(
            f"{path} is no .npz, and the model was not trained on the bytes of pictures, so that their range is not known: give an .npz with x "
            f"as the training data were."
        )
    files = image_files(path)
    pixels = np.stack([pixels_of(file, card.shape) for file in files])
    return Question(names=[str(file) for file in files], samples=_samples(pixels, None, card), known=False)


def _windows(path: Path, card: ModelCard) -> Question:
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
    kind = np.uint8 if len(numbers) <= np.iinfo(np.uint8).max else np.int64
    tokens = np.array([numbers[letter] for letter in text], dtype=kind)
    views = np.lib.stride_tricks.sliding_window_view(tokens, length + 1)
    names = [text[place : place + length] for place in range(len(views))]
    return Question(names=names, samples=_samples(views[:, :-1], views[:, -1], card), known=True)


def _samples(x: npt.NDArray[Any], y: npt.NDArray[Any] | None, card: ModelCard) -> Samples:
    if card.tokens:
        inputs: npt.NDArray[Any] = x if x.dtype == np.uint8 else x.astype(np.int64)
    else:
        inputs = x if x.dtype == np.uint8 else x.astype(np.float32)
    targets = np.zeros(len(x), dtype=np.int64) if y is None else y.astype(np.int64)
    return Samples(inputs=inputs, targets=targets, scale=card.scale, tokens=card.tokens)


def _character(label: str) -> str:
    """Blanks are called as Python writes them (``' '``)."""
    quoted = len(label) > 2 and label[0] == label[-1] == "'"
    return label[1:-1].encode().decode("unicode_escape") if quoted else label
