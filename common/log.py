"""Logs: structlog over the standard library, one handler for ours and Celery's."""

from __future__ import annotations

import logging
import sys
from io import StringIO
from typing import TextIO

import structlog

from common.visible import visible, visible_lines

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=True),
]

_NOISY = (
    "celery.app.trace",
    "celery.worker.strategy",
    "celery.worker.control",
    "celery.worker.consumer.gossip",
    "celery.worker.consumer.mingle",
)
"""Loggers of Celery that report each task by its UUID, twice, and each other worker."""


_OF_SEVERAL_LINES = frozenset({"event", "exception", "stack"})
"""Entries of a record that may have lines: a library's message and a traceback."""


def _as_sentence(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Show an event that brings a `sentence` by it: what a site's administrator reads."""
    if "sentence" in event:
        event["event"] = event.pop("sentence")
    return event


def _made_visible(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Show characters that would steer a terminal; a record's further lines are indented.

    So no text of others can begin a line that looks like a record of its own.
    """
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _indented(value) if name in _OF_SEVERAL_LINES else visible(value)
    return event


def _indented(text: str) -> str:
    return visible_lines(text).replace("\n", "\n    ")


def _traceback(stream: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """Write a traceback; the text of its error may be anybody's."""
    plain = StringIO()
    structlog.dev.plain_traceback(plain, exc_info)
    stream.write(_indented(plain.getvalue()))


class _OneLineForConnections(logging.Filter):
    """Reports in one line that a server is away; a traceback of the library would add nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record if it is about a connection; keep it in any case."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        library = record.name.startswith(("celery", "kombu"))
        if error is not None and _is_about_a_connection(error, through_causes=library):
            first = record.getMessage().splitlines()[0] if record.getMessage() else ""
            record.msg, record.args = f"{first} ({type(error).__name__}: {error})", ()
            record.exc_info = record.exc_text = None
        return True


def _is_about_a_connection(error: BaseException, *, through_causes: bool) -> bool:
    """Return whether an error, or what led to it, is a lost connection.

    A library that loses its server in the middle of an operation may raise another error because of
    it. What it logs then is about the connection all the same.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    if isinstance(error, OSError) or names & _CONNECTION_ERRORS:
        return True
    before = error.__cause__ or error.__context__
    return (
        through_causes
        and before is not None
        and _is_about_a_connection(before, through_causes=True)
    )


_CONNECTION_ERRORS = {"ConnectionError", "TimeoutError", "OperationalError"}
"""By name: those of redis and kombu, which this package does not import."""


def configure(level: str | int = "INFO") -> None:
    """Send every log line of this process through one handler to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _as_sentence,
                _made_visible,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(),
                    exception_formatter=_traceback,
                ),
            ],
        )
    )
    handler.addFilter(_OneLineForConnections())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger whose events are named ``noun.verb_past``."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
