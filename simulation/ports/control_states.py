"""The control variates of a simulated run with SCAFFOLD, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import safetensors.torch

from models.algorithms.scaffold import correction, next_client_control, next_server_control
from models.update import State
from scheduler.federation.control_variates import ControlVariates
from scheduler.federation.round import Round
from scheduler.federation.run import Run
from scheduler.rounds.scaffold import reach


class ControlStates:
    """Holds c and each c_i; see `models.algorithms.scaffold`.

    Args:
        parameters: The names of the trainable parameters.
    """

    def __init__(self, parameters: Collection[str]) -> None:
        self._parameters = parameters
        self._server: State | None = None
        self._clients: dict[str, State] = {}
        self.nbytes = 0
        """Size of a correction, 0 while all are 0."""

    def correction(self, client: str) -> State | None:
        """Return c - c_i of a client; `None` where all are 0."""
        if self._server is None:
            return None
        return correction(self._server, self._clients.get(client))

    def next(self, run: Run, round_: Round, base: State, deltas: State) -> ControlVariates:
        """Make the control variates of a committed round, and return their names.

        Args:
            run: The run; without SCAFFOLD there are none.
            round_: Its open round, with its manifest.
            base: The version that its clients trained from.
            deltas: Their updates in the order of the manifest, each `(num_clients, *shape)`.
        """
        terms = round_.controls
        if terms is None:
            return ControlVariates()
        asked, lines = run.spec.hyperparameters.in_round(round_.number), round_.manifest or ()
        sent = {line.client: self.correction(line.client) for line in lines}
        for client in terms.left:
            del self._clients[client]
        for row, line in enumerate(lines):
            self._clients[line.client] = next_client_control(
                sent[line.client], {name: delta[row] for name, delta in deltas.items()}, base,
                reach=reach(asked, terms.num_steps[line.client]), weight_decay=asked.weight_decay,
                parameters=self._parameters,
            )  # fmt: skip
        states = [control for _, control in sorted(self._clients.items())]
        self._server = next_server_control(states, terms.num_clients)
        self.nbytes = len(safetensors.torch.save(self._server))
        return ControlVariates(
            _name(self._server), {line.client: _name(self._clients[line.client]) for line in lines}
        )


def _name(state: State) -> str:
    """Return the SHA-256 of a state's bytes, as production names it."""
    return hashlib.sha256(safetensors.torch.save(state)).hexdigest()
