"""Logs: structlog over the standard library, one handler for ours and Celery's."""

from __future__ import annotations

import logging
import sys

import structlog

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=True),
]


class _OneLineForConnections(logging.Filter):
    """Says in one line that a server is away; a traceback of the library would say no more."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record if it is about a connection; keep it in any case."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None and _is_about_a_connection(error):
            said = record.getMessage().splitlines()[0] if record.getMessage() else ""
            record.msg, record.args = f"{said} ({type(error).__name__}: {error})", ()
            record.exc_info = record.exc_text = None
        return True


def _is_about_a_connection(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return True
    return any(cls.__name__ in _CONNECTION_ERRORS for cls in type(error).__mro__)


_CONNECTION_ERRORS = {"ConnectionError", "TimeoutError", "OperationalError"}
"""By name: redis' and kombu's, which this room does not import."""


def configure(level: str | int = "INFO") -> None:
    """Send every log line of this process through one handler to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(),
                    exception_formatter=structlog.dev.plain_traceback,
                ),
            ],
        )
    )
    handler.addFilter(_OneLineForConnections())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Celery says twice per task what our own events say once.
    logging.getLogger("celery.app.trace").setLevel(logging.WARNING)
    logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)
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
