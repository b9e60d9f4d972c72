"""Typed events: one frozen model per kind, checked when it is made and when it is read.

They are the lowest thing in the scheduler and know none of its other rooms. What is unknown is
`None`; what is a figure has its unit in its name.
"""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.ledger.events.assignment import AssignmentGivenUp, AssignmentReissued
from scheduler.ledger.events.base import Because, Payload
from scheduler.ledger.events.client import (
    ClientEnrolled,
    ClientJoined,
    ClientPaused,
    ClientResumed,
    ClientRetired,
    ClientSilent,
)
from scheduler.ledger.events.gate import GateChanged
from scheduler.ledger.events.grid import (
    GridCaughtUp,
    GridRead,
    GridSettled,
    MeanRecord,
    ReadingRecord,
    SignalFellBack,
    SignalRecovered,
)
from scheduler.ledger.events.receipt import (
    Admission,
    AssignmentDeclined,
    AssignmentEvaluated,
    AssignmentFailed,
    ReceiptPayload,
    UpdateAccepted,
    UpdateConflicting,
    UpdateDuplicate,
    UpdateLate,
    UpdateRefused,
    WorkRecord,
)
from scheduler.ledger.events.round import (
    ManifestLine,
    RoundClosed,
    RoundCommitted,
    RoundEvaluated,
    RoundPlanned,
)
from scheduler.ledger.events.run import (
    EndReason,
    RunBlocked,
    RunEnded,
    RunOpened,
    RunPaused,
    RunResumed,
    RunStarted,
    RunStopRequested,
    RunUnblocked,
    RunWaiting,
    Step,
    VerdictCode,
    WaitReason,
)

__all__ = [
    "PAYLOADS",
    "Admission",
    "AssignmentDeclined",
    "AssignmentEvaluated",
    "AssignmentFailed",
    "AssignmentGivenUp",
    "AssignmentReissued",
    "Because",
    "ClientEnrolled",
    "ClientJoined",
    "ClientPaused",
    "ClientResumed",
    "ClientRetired",
    "ClientSilent",
    "EndReason",
    "GateChanged",
    "GridCaughtUp",
    "GridRead",
    "GridSettled",
    "ManifestLine",
    "MeanRecord",
    "Payload",
    "ReadingRecord",
    "ReceiptPayload",
    "RoundClosed",
    "RoundCommitted",
    "RoundEvaluated",
    "RoundPlanned",
    "RunBlocked",
    "RunEnded",
    "RunOpened",
    "RunPaused",
    "RunResumed",
    "RunStarted",
    "RunStopRequested",
    "RunUnblocked",
    "RunWaiting",
    "SignalFellBack",
    "SignalRecovered",
    "Step",
    "UpdateAccepted",
    "UpdateConflicting",
    "UpdateDuplicate",
    "UpdateLate",
    "UpdateRefused",
    "VerdictCode",
    "WaitReason",
    "WorkRecord",
]

PAYLOADS: Mapping[str, type[Payload]] = {
    made.kind: made
    for made in (
        ClientEnrolled,
        ClientRetired,
        ClientJoined,
        ClientSilent,
        ClientPaused,
        ClientResumed,
        GateChanged,
        GridRead,
        GridCaughtUp,
        GridSettled,
        SignalFellBack,
        SignalRecovered,
        RunStarted,
        RunOpened,
        RunWaiting,
        RunBlocked,
        RunUnblocked,
        RunPaused,
        RunResumed,
        RunStopRequested,
        RunEnded,
        RoundPlanned,
        RoundCommitted,
        RoundClosed,
        RoundEvaluated,
        AssignmentReissued,
        AssignmentGivenUp,
        AssignmentEvaluated,
        AssignmentDeclined,
        AssignmentFailed,
        UpdateAccepted,
        UpdateLate,
        UpdateDuplicate,
        UpdateConflicting,
        UpdateRefused,
    )
}
"""Every kind of event, in the order of a run's course."""
