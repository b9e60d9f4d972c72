"""A federation told event by event: what tests of the scheduler share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from hypothesis import strategies as st

from common.messages import BlobRef, Energy, Outcome, Reason, Receipt
from scheduler.accounting import baseline as accounting
from scheduler.carbon.family import FLOW_TRACED, Family
from scheduler.carbon.mean import Mean
from scheduler.carbon.reading import Reading
from scheduler.federation.federation import Federation, Run
from scheduler.federation.fold import apply
from scheduler.federation.round import AssignmentState, Round
from scheduler.gate.gate import Gate
from scheduler.ledger.event import Draft, Event, canonical, chain_hash, stamp
from scheduler.ledger.events import (
    Admission,
    AssignmentGivenUp,
    AssignmentReissued,
    ClientEnrolled,
    ClientJoined,
    ClientRetired,
    ClientSilent,
    GridRead,
    GridSettled,
    ManifestLine,
    Payload,
    ReceiptPayload,
    RoundClosed,
    RoundCommitted,
    RoundEvaluated,
    RoundPlanned,
    RunEnded,
    RunOpened,
    RunStarted,
    RunWaiting,
    SignalFellBack,
    SignalRecovered,
    UpdateAccepted,
    UpdateRefused,
    WorkRecord,
)
from scheduler.ledger.events.gate import State
from scheduler.ledger.events.grid import Quality
from scheduler.ledger.run_spec import RunSpec
from scheduler.rounds.receipt import uncounted_payload, worth

NOON = datetime(2026, 7, 8, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def sha(word: str) -> str:
    """Return 64 hexadecimal digits that stand for some bytes."""
    return word.encode().hex().ljust(64, "0")[:64]


def spec(**changes: Any) -> RunSpec:
    """Return a run of three rounds with a quorum of two."""
    return RunSpec(**({"id": "r", "workload": "digits", "rounds": 3} | changes))


def reading(zone: str, gco2eq_per_kwh: float, hour: datetime, **labels: Any) -> Reading:
    """Return the measured reading of one hour, or one with other labels."""
    start = hour.replace(minute=0, second=0, microsecond=0)
    fields: dict[str, Any] = {"source": "test", "family": FLOW_TRACED, "quality": "measured"}
    return Reading(zone, start, start + HOUR, gco2eq_per_kwh, **(fields | labels))


def gate(state: State = "open", *, intensity: float = 50.0, since: datetime = NOON) -> Gate:
    """Return a gate in this state, with the numbers that explain it."""
    reason: Any = {
        "open": "below_threshold",
        "open_by_patience": "patience_spent",
        "closed": "above_threshold",
        "unknown": "no_reading",
    }[state]
    numbers = {
        "intensity_gco2eq_per_kwh": intensity,
        "threshold_gco2eq_per_kwh": 200.0,
        "ceiling_gco2eq_per_kwh": 1000.0,
    }
    if state == "open_by_patience":
        numbers |= {"waited_s": 300_000.0, "patience_s": 259_200.0}
    return Gate(state, since, reason, {} if state == "unknown" else numbers)


class Story:
    """Folds events into a federation. Both clocks show `now`, which only `later` moves."""

    def __init__(self, *clients: str) -> None:
        self.state = Federation()
        self.events: list[Event] = []
        self.now = NOON
        for client in clients:
            self.enrol(client)
            self.join(client)
            self.gate(client)

    def later(self, span: timedelta) -> None:
        """Let time pass."""
        self.now += span

    def tell(self, payload: Payload, *, run: str = "", number: int = 0, client: str = "") -> None:
        """Let something happen now."""
        self.write(Draft(payload, run=run, round=number, client=client))

    def write(self, draft: Draft) -> None:
        """Seal a draft as the ledger does, and fold it in."""
        seq, prev, at = self.state.seq + 1, self.state.head, stamp(self.now)
        where = (draft.run, draft.round, draft.client)
        digest = chain_hash(prev, seq, at, at, draft.kind, *where, canonical(draft.payload))
        event = Event(seq, self.now, self.now, draft.payload, *where, prev, digest)
        self.events.append(event)
        apply(self.state, event)

    def enrol(self, client: str, zone: str = "FR", num_examples: int | None = None) -> None:
        """Enrol a client."""
        self.tell(ClientEnrolled(zone=zone, num_examples=num_examples), client=client)

    def join(self, client: str, incarnation: str = "i1") -> None:
        """Let a client's worker appear."""
        self.tell(ClientJoined(incarnation=incarnation, host="h", pid=1), client=client)

    def read(self, zone: str, gco2eq_per_kwh: float | None, **labels: Any) -> None:
        """Let the intensity of a zone's present hour be told, or that it is unknown."""
        told = None if gco2eq_per_kwh is None else reading(zone, gco2eq_per_kwh, self.now, **labels)
        self.tell(GridRead(readings={zone: told.to_record() if told else None}))

    def settle(self, zone: str, *hours: tuple[datetime, float], **labels: Any) -> None:
        """Let measured intensities of whole hours be told."""
        readings = tuple(reading(zone, value, hour, **labels).to_record() for hour, value in hours)
        self.tell(GridSettled(readings={zone: readings}))

    def gate(self, client: str, state: State = "open") -> None:
        """Let a client's gate be judged."""
        self.tell(gate(state, since=self.now).to_payload(), client=client)

    def start(self, asked: RunSpec | None = None) -> Run:
        """Start a run and make its first version."""
        asked = asked or spec()
        self.tell(RunStarted(spec=asked), run=asked.id)
        opened = RunOpened(version=sha("v0"), num_params=10, scored_here=True)
        self.tell(opened, run=asked.id)
        return self.state.runs[asked.id]

    def plan(self, *cohort: str, run: str = "r", target: int | None = None, **more: Any) -> Round:
        """Plan the next round, or invite more clients to the open one."""
        now = self.state.runs[run]
        assert now.version is not None
        number = now.open_round.number if now.open_round else len(now.closed) + 1
        self.tell(
            RoundPlanned(
                cohort=cohort,
                base_version=now.version,
                target=target or len(cohort),
                deadline_s=now.spec.deadline_s,
                valid_until=self.now + HOUR,
                **more,
            ),
            run=run,
            number=number,
        )
        assert now.open_round is not None
        return now.open_round

    def answer(self, client: str, word: str = "", **changes: Any) -> str:
        """Let a receipt come in, and return what it was worth."""
        receipt = self.receipt(client, word, **changes)
        value = worth(self.state, receipt)
        if value != "unknown":
            self.book(
                UpdateAccepted if value == "count" else uncounted_payload(value, receipt), receipt
            )
        return value

    def receipt(self, client: str, word: str = "", **changes: Any) -> Receipt:
        """Return a client's receipt for the newest round of run r: five minutes and 2 Wh."""
        run = self.state.runs.get("r")
        number = (run.open_round.number if run.open_round else len(run.closed)) if run else 1
        outcome = changes.get("outcome", "trained")
        ref = BlobRef(key=f"update.{client}", sha256=sha(word or client), nbytes=8)
        fields: dict[str, Any] = {
            "run": "r",
            "round": max(1, number),
            "client": client,
            "attempt": 0,
            "outcome": outcome,
            "update": ref if outcome == "trained" else None,
            "num_examples": 100,
            "energy": Energy(energy_wh=2.0, method="test", quality="measured", pue=1.0),
            "started_at": self.now - 5 * MINUTE,
            "ended_at": self.now,
            "sent_at": self.now,
            "incarnation": "i1",
        }
        return Receipt(**(fields | changes))

    def book(
        self,
        kind: type[ReceiptPayload],
        receipt: Receipt,
        intensity: float | None = 50.0,
        *,
        family: Family = FLOW_TRACED,
        quality: Quality = "estimated",
        source: str = "test",
        network_wh: float = 1e-6,
    ) -> None:
        """Record a receipt as an event of this kind; the federation counts `FLOW_TRACED`."""
        used = receipt.energy.energy_wh if receipt.energy else None
        mean = Mean(intensity, family, quality, (source,), None) if intensity is not None else None
        grams = None if used is None or intensity is None else used * intensity / 1000
        comparable = mean is not None and family == FLOW_TRACED
        work = WorkRecord(
            attempt=receipt.attempt,
            started_at=receipt.started_at,
            ended_at=receipt.ended_at,
            grid_started_at=receipt.started_at,
            grid_ended_at=receipt.ended_at,
            energy=receipt.energy,
            intensity=mean.to_record() if mean else None,
            comparable=comparable,
            gco2eq=grams if comparable else None,
            gco2eq_apart=None if comparable else grams,
            nbytes=receipt.update.nbytes if receipt.update else 0,
            pulled_nbytes=8,
            network_wh=network_wh,
            examples=receipt.num_examples,
            flops=receipt.flops_per_example and receipt.flops_per_example * receipt.num_examples,
            sha256=receipt.update.sha256 if receipt.update else None,
            utility=receipt.utility,
            metrics=receipt.metrics,
            num_held_out=receipt.num_held_out,
            memory=receipt.memory,
            memory_lost=receipt.memory_lost,
            reason=receipt.reason,
        )
        more: dict[str, Any] = {}
        if kind is UpdateAccepted and receipt.update:
            more["admission"] = Admission(
                sha256=receipt.update.sha256,
                nbytes=receipt.update.nbytes,
                norm=1.0,
                num_examples=receipt.num_examples,
                weight=receipt.num_examples,
                full_weight=receipt.num_examples,
                latency_s=300.0,
                timings=receipt.timings,
            )
        if kind is UpdateRefused:
            more["refusal"] = Reason(code="admission", text="It is not an update.")
        made = kind(work=work, **more)
        self.tell(made, run=receipt.run, number=receipt.round, client=receipt.client)

    def open_part(self, client: str) -> AssignmentState | None:
        """Return a client's open assignment of run r, if it has one."""
        open_round = self.state.runs["r"].open_round
        part = open_round.cohort.get(client) if open_round else None
        return part if part is not None and part.status == "open" else None

    def commit(self, run: str = "r") -> None:
        """Fix what counts in the open round."""
        open_round = self.state.runs[run].open_round
        assert open_round is not None
        lines = tuple(
            ManifestLine(name, update.sha256, update.weight, update.issued)
            for name, update in sorted(open_round.accepted.items())
        )
        self.tell(RoundCommitted(manifest=lines), run=run, number=open_round.number)

    def close(
        self, run: str = "r", version: str = "", mean: accounting.Mean = lambda *_: None
    ) -> None:
        """Commit the open round and close it; `mean` knows the intensities of its baseline."""
        now = self.state.runs[run]
        open_round = now.open_round
        assert open_round is not None
        if open_round.manifest is None:
            self.commit(run)
        baseline_at = now.baseline_at or self.now
        figures = accounting.account(
            self.state.book.of_round(run, open_round.number),
            [client.zone for client in self.state.clients.values()],
            number=open_round.number,
            planned_at=open_round.grid_planned_at,
            ended_at=self.now,
            baseline_at=baseline_at,
            mean=mean,
        )
        self.tell(
            RoundClosed(
                version=sha(version or f"v{open_round.number}"),
                server_state=None,
                energy_wh=figures.energy_wh,
                gco2eq=figures.gco2eq,
                baseline_gco2eq=figures.baseline_gco2eq,
                baseline_started=baseline_at,
                baseline_ended=figures.baseline_ended,
                fleet_gco2eq=figures.fleet_gco2eq,
                held_out=None,
                phases={},
            ),
            run=run,
            number=open_round.number,
        )


def _answer(told: Story, client: str, number: int, outcome: Outcome = "trained") -> None:
    # Few pieces of work a round, so that some are told of again and again.
    began = told.now.replace(hour=number, minute=0)
    told.answer(client, f"{client}{number}", outcome=outcome, started_at=began, utility=0.5)


def _refuse(told: Story, client: str, number: int) -> None:
    if told.open_part(client):
        began = told.now.replace(hour=number, minute=0)
        told.book(UpdateRefused, told.receipt(client, started_at=began))


def given_up(code: Literal["deadline", "lost_too_often"]) -> AssignmentGivenUp:
    """Return what is recorded when an assignment is not waited for any longer."""
    return AssignmentGivenUp(code=code, reason=Reason(code=code, text="No answer came."))


def _settle(told: Story, client: str, payload: Payload) -> None:
    run = told.state.runs["r"]
    if told.open_part(client) and run.open_round:
        told.tell(payload, run="r", number=run.open_round.number, client=client)


def _close(told: Story) -> None:
    open_round = told.state.runs["r"].open_round
    if open_round is not None and open_round.accepted:
        told.close()


def _plan(told: Story, number: int) -> None:
    run = told.state.runs["r"]
    if run.open_round is None and run.ended_at is None:
        told.plan(*"abc"[:number])


def _evaluate(told: Story, number: int) -> None:
    if rounds := len(told.state.runs["r"].closed):
        told.tell(RoundEvaluated(metrics={"accuracy": number / 3}), run="r", number=rounds)


HAPPENINGS: dict[str, Callable[[Story, str, int], None]] = {
    "answer": _answer,
    "answer again": _answer,
    "fail": lambda told, client, n: _answer(told, client, n, "failed"),
    "decline": lambda told, client, n: _answer(told, client, n, "declined"),
    "refuse": _refuse,
    "give up": lambda told, client, _: _settle(told, client, given_up("deadline")),
    "reissue": lambda told, client, n: _settle(
        told, client, AssignmentReissued(attempt=n, code="lost")
    ),
    "fall silent": lambda told, client, _: told.tell(ClientSilent(), client=client),
    "join": lambda told, client, n: told.join(client, f"i{n}"),
    "enrol": lambda told, client, n: told.enrol(client, "DE", n),
    "retire": lambda told, client, _: told.tell(ClientRetired(), client=client),
    "gate": lambda told, client, n: told.gate(client, ("open", "closed", "unknown")[n - 1]),
    "grid": lambda told, _, n: told.read("FR", 100.0 * n if n < 3 else None),
    "settle": lambda told, _, n: told.settle("FR", (told.now.replace(hour=n), 40.0)),
    "fall back": lambda told, *_: told.tell(
        SignalFellBack(zone="FR", expected="test", active_source="static", why="it is silent")
    ),
    "recover": lambda told, *_: told.tell(SignalRecovered(zone="FR", active_source="test")),
    "wait": lambda told, client, _: told.tell(
        RunWaiting(reason="too_few", codes={client: "gate_closed"}), run="r"
    ),
    "close": lambda told, *_: _close(told),
    "plan": lambda told, _, n: _plan(told, n),
    "evaluate": lambda told, _, n: _evaluate(told, n),
    "end": lambda told, _, n: told.tell(RunEnded(reason="stopped"), run="r") if n > 2 else None,
}
"""What may happen to clients a, b and c and run r: each does nothing where it cannot happen."""

steps = st.lists(
    st.tuples(
        st.sampled_from(sorted(HAPPENINGS)), st.sampled_from(["a", "b", "c"]), st.integers(1, 3)
    ),
    max_size=40,
)


def history(steps: list[tuple[str, str, int]]) -> Story:
    """Return the story of a federation in which these things happen, as far as they can."""
    told = Story("a", "b", "c")
    told.start(spec(rounds=99, cron="*/5 * * * *"))
    for verb, client, number in steps:
        told.later(MINUTE)
        HAPPENINGS[verb](told, client, number)
    return told
