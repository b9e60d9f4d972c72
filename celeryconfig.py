"""Every Celery setting, each with its reason. What differs by site is in `common.settings`."""

from __future__ import annotations

from typing import Any

from kombu import Exchange as _Exchange
from kombu import Queue as _Queue

from common import settings as _settings
from common.settings.redis_address import tls_options as _tls_options

_ours = _settings.load()

broker_url = _ours.redis_url
broker_connection_retry_on_startup = True
# Redis may be unreachable for hours, above all from a site with an unreliable line: never give up.
broker_connection_max_retries = None
broker_transport_options: dict[str, Any] = {
    # One list per queue with a readable name, so a Redis user can be limited to its own.
    "priority_steps": [0],
    "sep": ":",
    "socket_timeout": 30,
    "socket_keepalive": True,
    "health_check_interval": 25,
}

# kombu would encrypt without checking the certificate; Flower reads this and nothing else.
broker_use_ssl = _tls_options(broker_url)

# The ledger is the truth: no result backend, early acknowledgement, and what gets lost is
# issued again from the ledger. See docs/adr/0003-early-acknowledgement.md.
task_ignore_result = True
task_acks_late = False
worker_disable_prefetch = True
worker_prefetch_multiplier = 1

# Only JSON is read from the wire, so bytes from a site can never run as code.
task_serializer = "json"
result_serializer = "json"
event_serializer = "json"
accept_content = ["json"]
result_accept_content = ["json"]

# Whoever reaches Redis could command every worker; nothing of ours needs it.
worker_enable_remote_control = _ours.remote_control

# Flower shows tasks from the moment they are sent, with their progress.
worker_send_task_events = True
task_send_sent_event = True
task_track_started = True

# torch takes seconds to load; the default of four would call a slow site dead.
worker_proc_alive_timeout = 120.0
worker_hijack_root_logger = False
worker_redirect_stdouts = False
enable_utc = True
timezone = "UTC"

# Beat only wakes the scheduler. See docs/adr/0001-beat-triggers-scoring.md.
beat_schedule = {
    name: {"task": name, "schedule": every_s, "options": {"queue": "coordinator"}}
    for name, every_s in (
        ("tick", _ours.tick_s),
        ("refresh_carbon", _ours.refresh_s),
        ("settle_carbon", _ours.settle_s),
        ("advise_sites", _ours.settle_s),
    )
}

# It goes by a clock that nobody sets and keeps no file, leaves a sign of life, and queues no second
# tick while the coordinator is away.
beat_scheduler = "tasks.messaging.beat_scheduler:BeatScheduler"

# On the default exchange a queue is one list in Redis: no bindings that a flush could lose.
task_queues = [
    _Queue(name, exchange=_Exchange(""), routing_key=name)
    for name in ("coordinator", "aggregation")
]
task_default_queue = "coordinator"
task_default_exchange = ""
