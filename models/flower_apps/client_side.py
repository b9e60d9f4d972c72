"""Calling a ClientApp as a SuperNode does: one message in, one reply out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from flwr.common.typing import Code, EvaluateIns, EvaluateRes, FitIns, FitRes
from flwr.compat.common import recorddict_compat as legacy
from flwr.proto.recorddict_pb2 import RecordDict as RecordDictProto
from flwr.supercore.task_identity import TaskIdentity
from torch import Tensor

from models.flower_apps.server_side import ServerSide

Kind = Literal["train", "evaluate"]

_STATE = "context"
"""Under this name a site keeps the state of an app's context."""


@dataclass(frozen=True)
class Reply:
    """What a ClientApp answered.

    Attributes:
        arrays: What it returned; empty for an evaluation.
        figures: Its metrics, without the weight.
        num_examples: The weight.
    """

    arrays: Mapping[str, Tensor]
    figures: Mapping[str, Any]
    num_examples: int


def is_legacy(app: ClientApp) -> bool:
    """Return whether an app is made of a `client_fn`, as those with a NumPyClient are."""
    return app._call is not None  # noqa: SLF001 - flwr has no other way to ask


def evaluates(app: ClientApp) -> bool:
    """Return whether an app has an evaluation, as far as can be known without its client."""
    return is_legacy(app) or "evaluate.default" in app._registered_funcs  # noqa: SLF001


def call(
    app: ClientApp, kind: Kind, side: ServerSide, arrays: Mapping[str, Tensor], *,
    context: Context, number: int,
) -> Reply:  # fmt: skip
    """Send a ClientApp one message and return what it replies.

    Args:
        app: The app.
        kind: Of the message.
        side: What the ServerApp says of messages.
        arrays: The global model, in the app's order.
        context: The app's; its state may change.
        number: Of the round.

    Raises:
        ValueError: If the reply is not what this kind of message needs.
    """
    identify(context)
    config = (side.train if kind == "train" else side.evaluate)(number)
    made = _legacy_content if is_legacy(app) else _content
    message = Message(
        made(kind, side, arrays, config), message_type=kind, dst_node_id=context.node_id
    )
    reply = app(message, context)
    if reply.has_error():
        msg = f"the app replied with an error: {reply.error.reason}"
        raise ValueError(msg)
    read = _read_legacy if is_legacy(app) else _read
    return read(kind, side, reply.content)


def identify(context: Context) -> None:
    """Say whose task this process runs: flwr reads it from there when a message is made."""
    TaskIdentity.run_id, TaskIdentity.node_id = context.run_id, context.node_id
    TaskIdentity.task_id = 1


def remembered(state: Mapping[str, Tensor]) -> RecordDict:
    """Return the state of an app's context, as its site kept it."""
    if _STATE not in state:
        return RecordDict()
    proto = RecordDictProto.FromString(state[_STATE].numpy().tobytes())
    return recorddict_from_proto(proto)


def to_remember(records: RecordDict) -> dict[str, Tensor]:
    """Return the state of an app's context as a site keeps it; nothing if there is none."""
    if not records:
        return {}
    data = recorddict_to_proto(records).SerializeToString(deterministic=True)
    return {_STATE: torch.frombuffer(bytearray(data), dtype=torch.uint8)}


def _content(
    _kind: Kind, side: ServerSide, arrays: Mapping[str, Tensor], config: dict[str, Any]
) -> RecordDict:
    return RecordDict(
        {side.arrays_key: ArrayRecord(dict(arrays)), side.config_key: ConfigRecord(config)}
    )


def _read(kind: Kind, side: ServerSide, content: RecordDict) -> Reply:
    weighed = [record for record in content.metric_records.values() if side.weight_key in record]
    if len(weighed) != 1:
        msg = f"the app replied to {kind} without {side.weight_key} in one of its MetricRecords"
        raise ValueError(msg)
    figures: dict[str, Any] = {
        name: value for record in content.metric_records.values() for name, value in record.items()
    }
    count = int(figures.pop(side.weight_key))
    if kind == "evaluate":
        return Reply({}, figures, count)
    if len(content.array_records) != 1:
        msg = f"the app replied to train with {len(content.array_records)} ArrayRecords, not one"
        raise ValueError(msg)
    (arrays,) = content.array_records.values()
    return Reply(arrays.to_torch_state_dict(), figures, count)


def _legacy_content(
    kind: Kind, _side: ServerSide, arrays: Mapping[str, Tensor], config: dict[str, Any]
) -> RecordDict:
    parameters = ndarrays_to_parameters([array.numpy() for array in arrays.values()])
    if kind == "train":
        return legacy.fitins_to_recorddict(FitIns(parameters, config), keep_input=True)
    return legacy.evaluateins_to_recorddict(EvaluateIns(parameters, config), keep_input=True)


def _read_legacy(kind: Kind, _side: ServerSide, content: RecordDict) -> Reply:
    res: FitRes | EvaluateRes
    if kind == "train":
        res = legacy.recorddict_to_fitres(content, keep_input=True)
    else:
        res = legacy.recorddict_to_evaluateres(content)
    if res.status.code == Code.EVALUATE_NOT_IMPLEMENTED:
        return Reply({}, {}, 0)
    if res.status.code != Code.OK:
        msg = f"the app replied to {kind} with {res.status.code.name}: {res.status.message}"
        raise ValueError(msg)
    if isinstance(res, EvaluateRes):
        return Reply({}, {"loss": res.loss, **res.metrics}, res.num_examples)
    arrays = parameters_to_ndarrays(res.parameters)
    named = {str(place): torch.from_numpy(array.copy()) for place, array in enumerate(arrays)}
    return Reply(named, res.metrics, res.num_examples)
