# SPDX-License-Identifier: Apache-2.0
"""The UCI heart disease data: 920 patients of four hospitals, made into features that no hospital's statistics enter.

Janosi, Steinbrunn, Pfisterer, Detrano 1988; CC BY 4.0. Publications name these investigators. Two patients, one of
Hungary and one of Long Beach, stand in the data twice and are kept. ``heart_disease_table`` says where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bcfl.models.data.dataset import Dataset, Samples
from bcfl.models.data.heart_disease_table import ATTRIBUTES, HOSPITALS, published_table
from bcfl.registry import register

__all__ = ("FEATURES", "HOSPITALS", "HeartDisease", "encode", "split")

_NUMBERS = {
    "age": (55.0, 10.0),  # years
    "trestbps": (130.0, 20.0),  # mmHg at rest; 130 begins hypertension, ACC/AHA guideline 2017
    "chol": (240.0, 50.0),  # mg/dl; 240 begins high cholesterol, NCEP ATP III 2001
    "thalach": (140.0, 25.0),  # beats a minute; 85 % of 220 − 55 years, the customary aim of an exercise test
    "oldpeak": (1.0, 1.0),  # mm; 1 is a positive exercise test, ACC/AHA guideline 2002
    "ca": (1.0, 1.0),  # vessels that fluoroscopy colours, 0 … 3; one is diseased
}
"""Reference value and unit of each number: thresholds of guidelines and round steps, nothing taken from the data."""

_CATEGORIES = {
    "sex": (0, 1),  # female, male
    "cp": (1, 2, 3, 4),  # chest pain: typical angina, atypical angina, other pain, none
    "fbs": (0, 1),  # fasting blood sugar above 120 mg/dl
    "restecg": (0, 1, 2),  # resting electrocardiogram: normal, ST-T abnormality, left ventricular hypertrophy
    "exang": (0, 1),  # angina induced by exercise
    "slope": (1, 2, 3),  # of the ST segment at peak exercise: up, flat, down
    "thal": (3, 6, 7),  # thallium scan: normal, fixed defect, reversible defect
}

_IMPOSSIBLE_ZEROS = ("trestbps", "chol")
"""Zeros that say 'not measured': the cholesterol of all of Switzerland and of 49 patients of Long Beach, one pressure."""

_ALWAYS_KNOWN = ("age", "sex", "cp")


def _columns(attribute: str) -> tuple[str, ...]:
    values = _CATEGORIES.get(attribute)
    known = (attribute,) if values is None else tuple(f"{attribute} {value}" for value in values)
    return known if attribute in _ALWAYS_KNOWN else (*known, f"{attribute} missing")


FEATURES = tuple(column for attribute in ATTRIBUTES[:-1] for column in _columns(attribute))
"""What each of the 35 inputs is: a number, a category, or that an attribute is missing."""


@register("dataset", "heart_disease", source="Janosi, Steinbrunn, Pfisterer, Detrano 1988 (UCI)")
@dataclass(frozen=True, kw_only=True)
class HeartDisease:
    """Heart disease, yes or no, of 920 patients from four hospitals, who own their patients: 35 features, 2 classes.

    =============  ========  =======
    hospital       patients  disease
    =============  ========  =======
    Cleveland           303   45.9 %
    Hungary             294   36.1 %
    Switzerland         123   93.5 %
    VA Long Beach       200   74.5 %
    =============  ========  =======

    ``test_share`` of each hospital's sick and of its healthy patients are kept to test on, drawn under ``seed``: 275
    patients at 0.3. Of Switzerland these are 36 with 2 healthy ones: it can hardly tell by itself how good a model is.
    """

    test_share: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.test_share < 1:
            raise ValueError(f"test_share must be above 0 and below 1, not {self.test_share}")

    def load(self, data_dir: Path | None = None) -> Dataset:
        """From ``data_dir`` or ``$BCFL_DATA_DIR`` where given, else from the cache, else downloaded into it.

        Raises:
            DataUnavailable: the directory does not hold it, or it could not be downloaded.
            DataCorrupt: what is there is something else.
        """
        table = published_table(data_dir)
        attributes, hospitals = table["attributes"], table["hospitals"]
        targets = (attributes[:, -1] > 0).astype(np.int64)
        patients = Samples(inputs=encode(attributes[:, :-1]), targets=targets, owners=hospitals)
        train, test = split(hospitals, targets, test_share=self.test_share, seed=self.seed)
        return Dataset(
            name="heart_disease",
            train=patients.select(train),
            test=patients.select(test),
            source="Janosi, Steinbrunn, Pfisterer, Detrano: Heart Disease, UCI Machine Learning Repository",
            licence="CC BY 4.0",
        )


def encode(attributes: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The ``FEATURES`` (n, 35) of UCI's attributes (n, 13): what is missing is 0, and 1 in a feature that says so."""
    columns = []
    for place, attribute in enumerate(ATTRIBUTES[:-1]):
        values = attributes[:, place]
        missing = np.isnan(values)
        if attribute in _IMPOSSIBLE_ZEROS:
            missing |= values == 0
        if attribute in _NUMBERS:
            reference, unit = _NUMBERS[attribute]
            columns.append(np.where(missing, 0.0, (values - reference) / unit))
        else:
            columns.extend((values == value).astype(np.float64) for value in _CATEGORIES[attribute])
        if attribute not in _ALWAYS_KNOWN:
            columns.append(missing.astype(np.float64))
    return np.stack(columns, axis=1).astype(np.float32)


def split(
    hospitals: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], *, test_share: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ascending indices to train and to test on: a share of each hospital's each class, at least one patient of it.

    A patient's side does not change with what other hospitals there are.
    """
    test = np.zeros(len(targets), dtype=bool)
    for hospital in np.unique(hospitals):
        for target in np.unique(targets[hospitals == hospital]):
            patients = np.flatnonzero((hospitals == hospital) & (targets == target))
            generator = np.random.Generator(np.random.PCG64([seed, int(hospital), int(target)]))
            count = min(max(1, round(test_share * len(patients))), len(patients) - 1)
            test[generator.permutation(patients)[:count]] = True
    return np.flatnonzero(~test), np.flatnonzero(test)
