"""The grids as verbs see them. What asks a provider is loaded only where one is named."""

from __future__ import annotations

from common.errors import FairwindError, SettingError
from common.settings import Settings
from common.settings.carbon import Source
from scheduler.carbon.http.limits import AccountStatus
from scheduler.carbon.local_signal import make_signal
from scheduler.carbon.signal import Signal, unknown_zone
from scheduler.carbon.sources import chain, is_live
from tasks.coordinator.zone_histories import ZoneHistories
from tasks.roles import carbon_folder


def open_signal(ours: Settings) -> Signal:
    """Return the signal of this machine: the coordinator's zone histories, or a local signal."""
    if not is_live(ours):
        return make_signal(ours)
    return ZoneHistories(carbon_folder(ours.folder))


def known_zones(ours: Settings) -> tuple[str, ...]:
    """Return the ids of the zones that any source named by the settings knows, sorted.

    Raises:
        BrokerError: If a live source is named and Redis does not answer.
        SignalError: If a live source does not say.
    """
    if not is_live(ours):
        return make_signal(ours).zones()
    from tasks.coordinator.sources import known_zones as ask  # noqa: PLC0415 - loads httpx

    return ask(ours)


def account_statuses(ours: Settings) -> list[AccountStatus]:
    """Return how the account of each live source stands with it; none if no source is live."""
    if not is_live(ours):
        return []
    from tasks.coordinator.sources import Sources  # noqa: PLC0415 - loads httpx

    return Sources(ours).account_statuses()


def fault(ours: Settings, known: Signal, zone: str, source: Source) -> str:
    """Return what is wrong with a live source of a zone; empty if nothing, or if none is live."""
    if not is_live(ours):
        return ""
    return known.zone(zone).faults.get(source, "") if isinstance(known, ZoneHistories) else ""


def check_zone(ours: Settings, zone: str) -> str | None:
    """Refuse a zone that no configured source has.

    Returns:
        Why it could not be checked, if a live source did not answer; else `None`.

    Raises:
        SignalError: If the zone is unknown.
    """
    try:
        known = known_zones(ours)
    except SettingError:
        raise
    except FairwindError as error:
        return str(error)
    if zone not in known:
        raise unknown_zone(" or ".join(chain(ours, zone)), zone, known)
    return None
