"""What signing costs: one message sealed at one side, and opened and remembered at the other."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from benchmarks.timing import least_s
from common.clock import wall_now
from common.envelope import COORDINATOR, About, Signer
from common.identity import Identity
from common.messages import Receipt
from tasks.messaging.inbox import Inbox

_AT_ONCE = 200
_TARGET_MS = 1.0


def measure_envelope() -> None:
    """Print the time that one receipt takes more because it is signed."""
    signer, now = Signer("client.a", Identity.make()), datetime.now(UTC)
    metrics: dict[str, float | None] = {f"metric_{n}": n / 7 for n in range(8)}
    receipt = Receipt(
        run="r", round=1, client="a", attempt=0, outcome="trained", metrics=metrics,
        started_at=now, ended_at=now, sent_at=now, incarnation="0" * 32,
    )  # fmt: skip

    def seal() -> dict[str, object]:
        about = About(run="r", round=1, plan_hash="a" * 64, model_hash="b" * 64)
        sealed = signer.seal("accept", COORDINATOR, receipt, about=about, now=wall_now())
        return sealed.model_dump(mode="json")

    seal_ms = 1e3 * least_s(lambda: [seal() for _ in range(_AT_ONCE)], repeats=5) / _AT_ONCE
    with tempfile.TemporaryDirectory() as folder:
        inbox = Inbox(COORDINATOR, Path(folder), {signer.name: signer.identity.public.text}.get)
        batches = [[seal() for _ in range(_AT_ONCE)] for _ in range(5)]
        turn = count()

        def take_all() -> None:
            for body in batches[next(turn)]:
                taken = inbox.take("accept", body)
                assert taken is not None  # noqa: S101 - otherwise something else was measured
                inbox.done(taken)

        open_ms = 1e3 * least_s(take_all, repeats=5) / _AT_ONCE
    met = "met" if seal_ms + open_ms <= _TARGET_MS else "missed"
    print(
        f"\nA signed receipt: sealed in {seal_ms:.2f} ms, opened and remembered in {open_ms:.2f} ms"
    )
    print(f"  together {seal_ms + open_ms:.2f} ms   aimed at {_TARGET_MS:g} ms: {met}", flush=True)
