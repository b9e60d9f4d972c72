"""A site's trail after real rounds: it says what happened, and whoever alters it is found out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from common import settings
from common.clock import wall_now
from common.envelope import COORDINATOR, About, Signer
from common.identity import Identity
from common.messages import Partition
from common.trail_head import TrailHead
from scheduler.ledger.events import AssignmentDeclined, UpdateAccepted
from tasks.cli import fairwind
from tasks.local.federation import site_name
from tasks.site.audit import audit
from tasks.site.journal import Journal
from tests.integration.fleet import Fleet, running_fleet

RUN = "audited"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """North has trained two rounds; west declined, refused a forged message and was paused."""
    folder = tmp_path_factory.mktemp("trails") / "federation"
    ceiling = {"FAIRWIND_SITE_CEILING_GCO2EQ_PER_KWH": "1"}
    zones = {"north": "NO-NO1", "west": "FR"}
    with running_fleet(folder, zones, sites={"west": ceiling}) as started:
        started.start_run(RUN, rounds=2, quorum=1)
        started.wait_ended(RUN)
        started.wait_event(AssignmentDeclined, RUN)
        site(home(started, "west"), "pause")
        started.put("train", "client.west", forged())
        started.wait(lambda: kinds(trail_of(started, "west"), "refused"), "the refusal on record")
        site(home(started, "west"), "resume")
        yield started


def forged() -> Any:
    """Return a message that bears the coordinator's name and is signed by another key."""
    stranger = Signer(COORDINATOR, Identity.make())
    payload = Partition()  # whatever it says, nobody reads it
    sealed = stranger.seal("train", "client.west", payload, about=About(run=RUN), now=wall_now())
    return sealed.model_dump(mode="json")


def home(fleet: Fleet, client: str) -> Path:
    return fleet.local.folder / "sites" / client


def site(folder: Path, *words: str) -> Result:
    """Run a command of a site's administrator, which reaches nothing but the site's folder."""
    env = {"FAIRWIND_HOME": str(folder), "FAIRWIND_REDIS_URL": "redis://127.0.0.1:9/0"}
    settings.load.cache_clear()
    return CliRunner(env=env).invoke(fairwind, ["site", *words])


def trail_of(fleet: Fleet, client: str) -> list[dict[str, Any]]:
    done = site(home(fleet, client), "audit", "--json")
    assert done.exit_code == 0, done.output
    entries: list[dict[str, Any]] = json.loads(done.stdout)
    return entries


def kinds(entries: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [entry for entry in entries if entry["kind"] == kind]


def heads_file(fleet: Fleet, client: str, folder: Path) -> Path:
    """Write what the coordinator keeps, as its operator would."""
    done = fleet.local.fairwind("ledger", "trails", client)
    assert done.returncode == 0, done.stderr
    path = folder / f"{client}.heads"
    path.write_text(done.stdout)
    return path


@pytest.fixture
def copied(fleet: Fleet, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of north's home, and the file of its trail there."""
    copy = tmp_path / "copy"
    shutil.copytree(home(fleet, "north"), copy)
    (path,) = (copy / "site" / "north").glob("*.jsonl")
    return copy, path


def test_a_trail_says_what_the_ledger_says(fleet):
    entries = trail_of(fleet, "north")
    (started,) = kinds(entries, "started")
    assert started["incarnation"] == fleet.state().clients["north"].incarnation
    accepted = {
        event.round: event.payload
        for event in fleet.events("update.accepted", RUN)
        if event.client == "north" and isinstance(event.payload, UpdateAccepted)
    }
    of_run = [entry for entry in entries if entry.get("run") == RUN]
    assert [(entry["kind"], entry["round"]) for entry in of_run] == [
        (kind, number) for number in (1, 2) for kind in ("received", "begun", "answered", "sent")
    ]
    received, answered, sent = (kinds(of_run, kind) for kind in ("received", "answered", "sent"))
    assert {each["issuer"] for each in received} == {"coordinator"}
    assert all(len(each["nonce"]) == 22 and len(each["plan_hash"]) == 64 for each in received)
    assert [each["model_sha256"] for each in received] == [
        round_.base_version for round_ in fleet.run(RUN).closed
    ]
    assert [each["sha256"] for each in sent] == [accepted[n].admission.sha256 for n in (1, 2)]
    used = [accepted[n].work.energy for n in (1, 2)]
    assert [each["energy"]["energy_wh"] for each in answered] == [
        each.energy_wh for each in used if each
    ]


def test_refusals_declines_and_pauses_are_on_record(fleet):
    entries = trail_of(fleet, "west")
    assert [each["what"] for each in kinds(entries, "decided")] == ["paused", "resumed"]
    (refused,) = kinds(entries, "refused")
    assert (refused["task"], refused["code"]) == ("train", "wrong_signature")
    declined = [each for each in kinds(entries, "answered") if each["outcome"] == "declined"]
    assert {each["reason"]["code"] for each in declined} == {"above_site_ceiling"}
    reported = fleet.payloads(AssignmentDeclined, RUN)
    assert reported
    assert all(each.work.trail is not None for each in reported)


def test_a_trail_leads_to_the_heads_that_the_coordinator_keeps(fleet, tmp_path):
    for client in ("north", "west"):
        given = heads_file(fleet, client, tmp_path)
        done = site(home(fleet, client), "audit", "--verify", "--heads", str(given))
        assert done.exit_code == 0, done.output
        assert "all as written" in done.stdout
        assert "heads that were signed" in done.stdout


def test_an_altered_record_is_named(copied):
    copy, path = copied
    lines = path.read_bytes().splitlines(keepends=True)
    place = next(n for n, line in enumerate(lines) if b'"kind":"sent"' in line)
    lines[place] = lines[place].replace(b'"nbytes":', b'"nbytes":1')
    path.write_bytes(b"".join(lines))
    done = site(copy, "audit", "--verify")
    assert done.exit_code == 1
    assert (
        f"Error: Record {place + 1} (line {place + 1} of {path.name}) was altered." in done.output
    )


def test_an_end_that_was_cut_off_is_found_by_the_coordinators_heads(fleet, copied, tmp_path):
    copy, path = copied
    given = heads_file(fleet, "north", tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    path.with_suffix(".heads").unlink()
    assert site(copy, "audit", "--verify").exit_code == 0, "the site's own files show nothing"
    done = site(copy, "audit", "--verify", "--heads", str(given))
    assert done.exit_code == 1
    assert "Records 4 to " in done.output
    assert "are missing: the end was cut off" in done.output


def test_a_trail_that_was_written_anew_is_found_by_the_coordinators_heads(fleet, copied, tmp_path):
    copy, path = copied
    given = heads_file(fleet, "north", tmp_path)
    entries = [
        e
        for e in Journal(path.parent).read(since=wall_now() - timedelta(days=1))
        if e.kind != "sent"
    ]
    path.unlink()
    path.with_suffix(".heads").unlink()
    Journal(path.parent).append(*entries)  # as if nothing had ever left
    assert site(copy, "audit", "--verify").exit_code == 0
    done = site(copy, "audit", "--verify", "--heads", str(given))
    assert done.exit_code == 1
    assert "written anew after they were signed" in done.output or "are missing" in done.output


def test_heads_that_the_site_did_not_sign_prove_nothing(fleet, tmp_path):
    given = heads_file(fleet, "north", tmp_path)
    head = TrailHead.model_validate_json(given.read_text().splitlines()[0])
    given.write_text(head.model_copy(update={"hash": "0" * 64}).model_dump_json() + "\n")
    done = site(home(fleet, "north"), "audit", "--verify", "--heads", str(given))
    assert done.exit_code == 1
    assert "is not signed by ed25519:" in done.output


def test_a_worker_that_ends_by_itself_signs_its_end(fleet):
    fleet.local.processes.stop(site_name("west"))
    entries = trail_of(fleet, "west")
    assert entries[-1]["kind"] == "stopped"
    seen = audit(Journal(home(fleet, "west") / "site" / "west").lines())
    assert seen.fault is None
    shown = json.loads(site(home(fleet, "west"), "audit", "--verify", "--json").stdout)
    assert seen.last is not None
    assert shown["heads"]["signed_seq"] == shown["last"] == seen.last.seq
