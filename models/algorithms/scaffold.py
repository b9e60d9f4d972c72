"""SCAFFOLD: control variates correct the drift of clients whose data are unlike the others'.

Karimireddy, Kale, Mohri, Reddi, Stich and Suresh, "SCAFFOLD: Stochastic Controlled Averaging for
Federated Learning", ICML 2020, algorithm 1 with option II, https://arxiv.org/abs/1910.06378. With
the model x, client i's model y_i after K local steps of rate eta, N clients, and S of a round:

    y_i  <-  y_i - eta (g_i(y_i) + c - c_i)
    c_i+  =  c_i - c + (x - y_i) / (K eta)
    x    <-  x + eta_g mean_S (y_i - x),    c  <-  c + 1/N sum_S (c_i+ - c_i)

In the paper clients keep c_i. Here the coordinator does: c_i+ follows from the update y_i - x, the
steps behind it and the correction c - c_i that was sent. So an update is as large as without, a
client keeps nothing, and an update that does not count changes no c_i. c is worked out anew as the
mean of all N c_i, which is what the paper's rule keeps it at; a client that never counted has 0.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from models.update import State, plain_name


def correction(server: State, client: State | None) -> State:
    """Return c - c_i, which a client adds to its gradients.

    Args:
        server: c.
        client: c_i; `None` for 0.
    """
    return server if client is None else {name: c - client[name] for name, c in server.items()}


def add_correction(trained: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Add c - c_i to the gradients of parameters, in place.

    Args:
        trained: Parameters with the correction of each, of the same shape.
    """
    for parameter, added in trained:
        if parameter.grad is None:  # the loss does not depend on it, the correction may
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad.add_(added)


def aligned(model: nn.Module, added: State) -> list[tuple[nn.Parameter, Tensor]]:
    """Return a model's parameters with the correction of each; personal layers have none."""
    own = {plain_name(name): parameter for name, parameter in model.named_parameters()}
    return [(own[name], each.to(own[name].device)) for name, each in added.items()]


def next_client_control(
    sent: State | None,
    delta: State,
    base: State,
    *,
    reach: float,
    weight_decay: float,
    parameters: Iterable[str],
) -> State:
    """Return c_i+: the mean gradient of a client along its local steps, without weight decay.

    Args:
        sent: The correction c - c_i that the client added; `None` for 0.
        delta: Its update y_i - x, decoded, without those of buffers or with.
        base: The model x that it trained from.
        reach: How far a constant gradient of 1 moves a parameter in its steps: K eta for plain SGD.
        weight_decay: lambda of its optimizer.
        parameters: The names of the trainable parameters; those that stay at the site have no part
            in the update, and no c_i.
    """
    control = {}
    for name in sorted(delta.keys() & set(parameters)):
        mean = delta[name].double() / -reach
        if sent is not None:
            mean -= sent[name].double()
        if weight_decay:
            mean -= base[name].double() * weight_decay
        control[name] = mean.to(base[name].dtype)
    return control


def next_server_control(controls: Iterable[State], num_clients: int) -> State:
    """Return c: the mean of all clients' c_i.

    Args:
        controls: Those that are not 0, at least one, in a fixed order: the bits depend on it.
        num_clients: N, those without one included.
    """
    total: State = {}
    dtypes = {}
    for control in controls:
        for name, tensor in control.items():
            dtypes[name] = tensor.dtype
            total[name] = total[name].add_(tensor) if name in total else tensor.double().clone()
    return {name: (each / num_clients).to(dtypes[name]) for name, each in total.items()}
