# SPDX-License-Identifier: Apache-2.0
"""A task in MLflow: parameters, metrics by round, files, and the final model in the registry.

The model is registered as data with a loader of ours (``bcfl.models.serving``): safetensors are read, nothing is unpickled.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bcfl.log import public_url
from bcfl.models.serving import CARD_FILE, MODEL_FILE
from bcfl.scenarios.following.story import Began, Ended
from bcfl.scenarios.outcome.summary import RoundSummary
from bcfl.views.tracking.errors import TrackerMissing, TrackerUnreachable
from bcfl.views.tracking.tracker import numbers_of

__all__ = ("MlflowTracker",)

_KEY = "bcfl.key"
_FINISHED = "bcfl.finished"
_LONGEST_PARAMETER = 6000
_BATCH = 100
_MOST_METRICS = 1000
_MARK = "global/round"
"""A metric of every round: which of them a run has already."""


class MlflowTracker:
    """A run of an experiment on a tracking server; who follows a task again goes on with its run.

    Args:
        uri: of the tracking server, or of a local store.
        experiment: its name; made where there is none.
        register: the registered model's name; None: the scenario's.

    Raises:
        TrackerMissing: MLflow is not installed.
    """

    def __init__(self, uri: str, *, experiment: str = "bcfl", register: str | None = None) -> None:
        if find_spec("mlflow") is None:
            raise TrackerMissing(
                "MLflow is not here: pip install 'bcfl[mlflow]', or track with --tensorboard."
            )
        # MLflow asks the network before it does anything else, unless somebody has decided otherwise
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault(
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"
        )  # our own lines say where we are
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # its own seven take minutes
        from mlflow import MlflowClient  # an extra, and slow to load

        self._uri = uri
        with self._answered():
            self._client: Any = MlflowClient(tracking_uri=uri)
        self._experiment = experiment
        self._register = register
        self._run = ""
        self._name = ""
        self._known: set[int] = set()

    def began(self, told: Began) -> None:
        """Find the task's run, or make one with its parameters."""
        self._name = self._register or told.name
        with self._answered():
            self._find(told)

    def _find(self, told: Began) -> None:
        found = self._client.get_experiment_by_name(self._experiment)
        number = found.experiment_id if found else self._client.create_experiment(self._experiment)
        runs = self._client.search_runs(
            [number], filter_string=f"tags.`{_KEY}` = '{told.key}'", max_results=1
        )
        if runs:
            self._run = runs[0].info.run_id
            self._known = {int(point.value) for point in self._client.get_metric_history(self._run, _MARK)}
            return
        tags = {_KEY: told.key, **{f"bcfl.{name}": value for name, value in told.facts.items()}}
        self._run = self._client.create_run(number, tags=tags, run_name=told.name).info.run_id
        from mlflow.entities import Param

        parameters = [Param(key, value[:_LONGEST_PARAMETER]) for key, value in told.parameters.items()]
        for start in range(0, len(parameters), _BATCH):
            self._client.log_batch(self._run, params=parameters[start : start + _BATCH])

    def settled(self, done: RoundSummary) -> None:
        """The round's metrics, unless the run has them from before."""
        if done.round in self._known:
            return
        with self._answered():
            self._log(numbers_of(done) | {_MARK: float(done.round)}, step=done.round)

    def ended(self, told: Ended) -> None:
        """The whole task's metrics, files and model; the run is finished."""
        with self._answered():
            if _FINISHED not in self._client.get_run(self._run).data.tags:
                self._finish(told)

    def _finish(self, told: Ended) -> None:
        self._log(dict(told.metrics), step=0)
        for name, value in told.facts.items():
            self._client.set_tag(self._run, f"bcfl.{name}", value)
        for file in told.files:
            self._client.log_artifact(self._run, str(file))
        if told.model is not None:
            self._keep(told)
        self._client.set_terminated(self._run, status="FINISHED" if told.status == "completed" else "KILLED")
        self._client.set_tag(
            self._run, _FINISHED, told.status
        )  # last: what was interrupted before is done again

    def close(self) -> None:
        """Nothing is open: a run that was not finished can be gone on with."""

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """Whatever the server does not do is one sentence."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise TrackerUnreachable(
                f"MLflow at {public_url(self._uri)} does not take what it is told ({first[:300]}): correct --mlflow, or start it and give the same "
                f"command again."
            ) from error

    def _log(self, numbers: dict[str, float], *, step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        points = [Metric(name, value, now, step) for name, value in numbers.items()]
        for start in range(0, len(points), _MOST_METRICS):
            self._client.log_batch(self._run, metrics=points[start : start + _MOST_METRICS])

    def _keep(self, told: Ended) -> None:
        """Register the final model, unless that was done, with what says where it came from."""
        found = [
            one
            for one in self._client.search_model_versions(f"name='{self._name}'")
            if one.run_id == self._run
        ]
        version = found[0].version if found else self._registered(told)
        tags = self._client.get_run(self._run).data.tags | {
            "bcfl.scores": json.dumps(dict(told.scores), sort_keys=True)
        }
        for name, value in tags.items():
            if name.startswith("bcfl."):
                self._client.set_model_version_tag(self._name, str(version), name, value)

    def _registered(self, told: Ended) -> str:
        import mlflow

        with tempfile.TemporaryDirectory() as scratch:
            data = Path(scratch) / "bcfl_model"
            data.mkdir()
            (data / MODEL_FILE).write_bytes(told.model or b"")
            if told.card is not None:
                (data / CARD_FILE).write_text(told.card.model_dump_json(indent=2), encoding="utf-8")
            before = mlflow.get_tracking_uri()
            mlflow.set_tracking_uri(self._uri)
            try:
                with mlflow.start_run(run_id=self._run):
                    kept = mlflow.pyfunc.log_model(
                        name="model",
                        loader_module="bcfl.models.serving",
                        data_path=str(data),
                        pip_requirements=["bcfl"],
                        registered_model_name=self._name,
                    )
            finally:
                mlflow.set_tracking_uri(before)
        return str(kept.registered_model_version)
