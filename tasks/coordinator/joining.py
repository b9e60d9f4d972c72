"""The task `join_site`: a site that has a kit makes its key known.

The message is signed by the one-time key of the site's kit, whose public half is in the ledger. It
says which key the site made, and that key signed it, too: whoever joins has both.
"""

from __future__ import annotations

from common.clock import wall_now
from common.errors import LedgerMovedError
from common.messages import Reason
from common.site_join import SiteJoin, is_held
from scheduler.federation.federation import Federation
from scheduler.ledger.event import Draft
from scheduler.ledger.events import ClientKeyAccepted
from tasks.app import app
from tasks.coordinator.coordinator import coordinator


@app.task(
    name="join_site", retry_on_worker_lost=True, max_retries=1, default_retry_delay=0,
    throws=(LedgerMovedError,),
)  # fmt: skip
def join_site(body: object) -> None:
    """Accept the key that a site has made, if its kit allows it: once."""
    c = coordinator()
    taken = c.joining.take("join_site", body)
    joined = c.joining.read("join_site", body, taken, SiteJoin.model_validate) if taken else None
    if taken is None or taken.client is None or joined is None:
        return
    client = taken.client
    found: list[Reason] = []

    def accepted(state: Federation) -> list[Draft]:
        found.clear()  # it is called again where somebody appended meanwhile
        known = state.clients[client]
        if known.kit_used and joined.key == known.key:
            return []  # it has joined by this kit before, with the same key
        if reason := _why_not(state, client, joined):
            found.append(reason)
            return []
        payload = ClientKeyAccepted(key=joined.key, kit_key=joined.kit_key)
        return [Draft(payload, client=client)]

    c.engine.world.record(accepted)
    for reason in found:
        c.joining.refuse("join_site", body, reason)
        return
    c.joining.done(taken)


def _why_not(state: Federation, client: str, joined: SiteJoin) -> Reason | None:
    """Return why the key that a site has made is not accepted; `None` if it is."""
    known = state.clients[client]
    if known.retired or known.kit_key != joined.kit_key:
        return Reason(code="other_kit", text=f"{client} has been given another kit since")
    if joined.client != client or not is_held(joined):
        return Reason(code="key_not_held", text=f"{client} has not signed with the key it names")
    if known.kit_used:
        text = (
            f"the kit of {client} was used before, with another key: somebody else may have it. "
            f"Make a new one: fairwind rotate {client} --kit FILE"
        )
        return Reason(code="kit_used", text=text)
    if known.join_before is not None and wall_now() > known.join_before:
        text = (
            f"the kit of {client} has expired. Make a new one: fairwind rotate {client} --kit FILE"
        )
        return Reason(code="kit_expired", text=text)
    return None
