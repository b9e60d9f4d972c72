"""What makes a Celery worker a site: one queue, one task at a time, a name and a heartbeat."""

from __future__ import annotations

import os
import re
from typing import Any

from celery import signals

from common import settings
from common.errors import FairwindError, SettingError, describe
from common.files import check_writable
from common.log import get_logger
from common.messages import NAME_PATTERN
from common.private_files import close_to_others
from models.device_environment import prepare_environment
from tasks.app import app
from tasks.messaging.broker import check_usable, connect
from tasks.messaging.heartbeats import HeartbeatSender
from tasks.messaging.inbox import site_signer
from tasks.messaging.intake import take_only
from tasks.messaging.queues import client_queue, name_connections
from tasks.roles import KEPT, SITE_PREFIX, site_folders, site_key_file
from tasks.site.ending import Ending
from tasks.site.heartbeat_step import HeartbeatStep
from tasks.site.journal import open_journal
from tasks.site.site_clock import SiteClock
from tasks.site.site_files import SiteFiles, sweep
from tasks.site.site_hours import check_windows
from tasks.site.site_policy_file import read_policy
from tasks.site.site_policy_in_force import policy_in_force
from tasks.site.trail_heads import TrailHeads
from tasks.site.worker_record import record_worker
from tasks.site.worker_state import WorkerLock

_log = get_logger(__name__)


def prepare(instance: Any, conf: Any, client: str) -> None:
    """Turn a worker that is about to start into the site of `client`.

    Raises:
        SettingError: If the client id is malformed or no task could be trained.
        BrokerError: If Redis does not answer.
        FederationError: If the client already has a worker.
    """
    if not re.fullmatch(NAME_PATTERN, client):
        msg = (
            f"{client!r} is no client id, so no worker was started. Use letters, digits, dots, "
            "dashes and underscores, 64 at most."
        )
        raise SettingError(msg)
    conf.task_queues = [client_queue(client)]
    conf.worker_concurrency = 1
    name_connections(conf, [SITE_PREFIX + client])
    # Nobody stops or changes a site from afar; nor may its user of Redis listen to such messages.
    conf.worker_enable_remote_control = False
    if instance.hostname.startswith("celery@"):
        instance.hostname = f"train@{client}"
    ours = settings.load()
    check_windows(ours.site_windows)
    if ours.site_policy is not None:
        read_policy(ours.site_policy.expanduser())
    broker = connect(ours)
    check_usable(broker)
    for folder in site_folders(ours.folder, client):
        check_writable(folder, setting="FAIRWIND_HOME")
    if closed := close_to_others(ours.folder, KEPT):
        _log.warning("files.closed_to_others", files=closed)
    files = SiteFiles(ours, client)
    heartbeats = HeartbeatStep.heartbeats = HeartbeatSender(
        broker, ours, client, is_paused=lambda: files.paused_since is not None,
        policy=lambda: policy_in_force(ours).version, signer=site_signer(ours, client),
    )  # fmt: skip
    HeartbeatStep.clock = SiteClock(files)
    heartbeats.claim()
    app.steps["consumer"].add(HeartbeatStep)
    for folder in site_folders(ours.folder, client):
        sweep(folder)
    lock = HeartbeatStep.lock = WorkerLock(ours, files)
    lock.take()
    trail = TrailHeads(files.folder, client, site_signer(ours, client))
    record_worker(open_journal(ours, client), trail, heartbeats.incarnation)
    ending = HeartbeatStep.ending = Ending(instance)
    if ours.gpu != "auto":  # before torch looks for GPUs, and as the energy meter reads it
        os.environ["CUDA_VISIBLE_DEVICES"] = "" if ours.gpu == "none" else ours.gpu
    prepare_environment(os.environ)
    import tasks.site.advice  # noqa: F401, PLC0415 - a task of sites alone
    from tasks.site.train import start_site  # noqa: PLC0415 - loads torch, in a site's process alone

    take_only({"train": 1, "advise": 1}, site_key_file(ours.folder, client).parent)
    heartbeats.renew(None, ready=False)  # loading torch takes seconds

    def start_child(**_: Any) -> None:
        lock.leave_to_parent()
        try:
            start_site(client, heartbeats.incarnation)
        except Exception as error:  # noqa: BLE001 - Celery would log it and let the worker stand idle
            text = str(error) if isinstance(error, FairwindError) else describe(error)
            ending.end_from_child(f"The worker of {client} cannot train, so it ends. {text}")

    signals.worker_process_init.connect(start_child, weak=False)
