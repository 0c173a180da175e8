# SPDX-License-Identifier: Apache-2.0
"""Workload W by Flower's simulation, run by the Python of an environment of its own: prints clients a second of a warm round.

Needs ``flwr[simulation]`` and torch there, and MNIST where bcfl keeps it. The client is as lean as Flower lets it be: one module, no
data loader, weights as arrays.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import flwr
import numpy as np
import torch
from flwr.client import ClientApp, NumPyClient
from flwr.common import Context, ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.simulation import run_simulation

_CLIENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 300
_IMAGES, _BATCH, _ROUNDS = 60, 20, 3
_CACHE = Path(os.environ.get("BCFL_CACHE_DIR", Path.home() / ".cache" / "bcfl"))


def _network() -> torch.nn.Module:
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 10, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(10, 20, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(320, 100),
        nn.Linear(100, 10),
    )


_held: dict[str, torch.Tensor] = {}


def _data() -> dict[str, torch.Tensor]:
    if not _held:
        with np.load(_CACHE / "mnist" / "mnist.npz") as file:
            images = file["x_train"].reshape(-1, 1, 28, 28)
            _held["x"] = torch.from_numpy(images.astype(np.float32) / 255)
            _held["y"] = torch.from_numpy(file["y_train"].astype(np.int64))
    return _held


class _Client(NumPyClient):
    def __init__(self, place: int) -> None:
        self._place = place

    def fit(self, parameters, config):  # noqa: ARG002 - Flower's signature
        torch.set_num_threads(1)
        data, module = _data(), _network()
        with torch.no_grad():
            for tensor, array in zip(module.parameters(), parameters, strict=True):
                tensor.copy_(torch.from_numpy(array))
        optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
        share = torch.arange(self._place * _IMAGES, (self._place + 1) * _IMAGES) % len(data["y"])
        for batch in torch.split(share, _BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(data["x"][batch]), data["y"][batch]).backward()
            optimizer.step()
        return [tensor.detach().numpy() for tensor in module.parameters()], _IMAGES, {}


class _Timed(FedAvg):
    ends: list[float] = []  # noqa: RUF012 - one strategy a process

    def aggregate_fit(self, server_round, results, failures):
        found = super().aggregate_fit(server_round, results, failures)
        _Timed.ends.append(time.perf_counter())
        return found


def _client(context: Context):
    return _Client(int(context.node_config["partition-id"])).to_client()


def _server(context: Context) -> ServerAppComponents:  # noqa: ARG001 - Flower's signature
    strategy = _Timed(
        fraction_fit=1.0,
        fraction_evaluate=0.0,
        min_fit_clients=_CLIENTS,
        min_available_clients=_CLIENTS,
        initial_parameters=ndarrays_to_parameters([p.detach().numpy() for p in _network().parameters()]),
    )
    return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=_ROUNDS))


if __name__ == "__main__":
    print("flwr", flwr.__version__, file=sys.stderr)
    run_simulation(
        server_app=ServerApp(server_fn=_server),
        client_app=ClientApp(client_fn=_client),
        num_supernodes=_CLIENTS,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )
    rounds = np.diff(_Timed.ends)
    print(_CLIENTS / float(np.median(rounds)))
