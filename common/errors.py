"""The one tree of errors.

Every message says what happened, what follows and what to do, in that order.

    FairwindError
    ├── SettingError         a setting or argument is missing, misspelt or out of range
    ├── BrokerError          Redis cannot be reached, or refused the connection
    ├── SignalError          a carbon signal has no figure for a zone or a time
    │   ├── SignalUnavailable   a live signal does not answer now; it is tried again later
    │   └── SignalNotOffered    a live signal does not offer this to this key or zone
    ├── WorkloadError        a workload is missing, not allowed, or raised
    ├── UpdateError          the bytes of an update or a model are not what was promised
    ├── TransportError       bytes in flight are missing or were altered
    │   └── AlteredBytesError   they are there, and are not what was promised
    ├── WorkerDiedError      a site's process died each time it worked on an assignment
    ├── IdentityError        a private key is missing, open to others, or no key
    ├── SignatureError       what was signed was altered, or somebody else signed it
    ├── KitError             a site's kit is damaged, too new, expired, or of another site
    ├── PlaceTakenError      another worker serves a site's client meanwhile
    ├── StorageError         a disk of the coordinator is full, or loses what it was given
    ├── LedgerError          the ledger is of another version, altered, or contradicts itself
    │   ├── BlobError           bytes that the ledger names are missing or were altered
    │   └── LedgerMovedError    its file was moved, deleted or replaced while a process had it open
    ├── AuditError           a site's audit trail was altered, or cannot be compared
    ├── SecureAggregationError   a cohort's sum is not made, or a site does not take part in it
    │   └── EquivocationError   a site was shown something else than before for the same cohort
    ├── ExportError          figures of a run cannot be written to where they are to go
    └── FederationError      no such client or run, or not in a state that allows this

All of them take their message as their only argument, so they cross process borders as
``type(error)(*error.args)``.
"""

from __future__ import annotations


class FairwindError(Exception):
    """Base of every error a user of Fairwind may meet."""

    def __str__(self) -> str:
        return encodable(" ".join(str(part) for part in self.args))


class SettingError(FairwindError):
    """A setting or argument is missing, misspelt or out of range."""


class BrokerError(FairwindError):
    """Redis cannot be reached, or refused the connection."""


class SignalError(FairwindError):
    """A carbon signal has no figure for a zone or a time."""


class SignalUnavailable(SignalError):  # noqa: N818 - named after the state of the signal
    """A live signal does not answer now; it is tried again later."""


class SignalNotOffered(SignalError):  # noqa: N818
    """A live signal does not offer this to this key or zone; it is not tried again soon."""


class WorkloadError(FairwindError):
    """A workload is missing, not allowed at this site, or raised."""


class UpdateError(FairwindError):
    """The bytes of an update or a model are not what was promised."""


class TransportError(FairwindError):
    """Bytes in flight are missing or were altered."""


class AlteredBytesError(TransportError):
    """Bytes in flight are there, and are not what was promised."""


class WorkerDiedError(FairwindError):
    """A process died each time it worked on an assignment, or evaluated a run's workload."""


class IdentityError(FairwindError):
    """A private key is missing, can be read by others, or is no key."""


class SignatureError(FairwindError):
    """What was signed was altered, or somebody else signed it."""


class KitError(FairwindError):
    """A site's kit is damaged, too new, expired, or of another site."""


class PlaceTakenError(FairwindError):
    """Another worker serves a site's client meanwhile."""


class StorageError(FairwindError):
    """A disk of the coordinator is full, or loses what it was given."""


class LedgerError(FairwindError):
    """The ledger is of another version, was altered, or contradicts itself."""


class BlobError(LedgerError):
    """Bytes that the ledger names are missing or were altered."""


class LedgerMovedError(LedgerError):
    """The ledger's file was moved, deleted or replaced while a process had it open."""


class AuditError(FairwindError):
    """A site's audit trail was altered, or cannot be compared."""


class SecureAggregationError(FairwindError):
    """A cohort's sum cannot be made, or a site cannot take part in it without giving too much."""


class EquivocationError(SecureAggregationError):
    """A site was shown something else than before for what it answers once; an audit names it."""


class ExportError(FairwindError):
    """Figures of a run cannot be written to where they are to go."""


class FederationError(FairwindError):
    """No such client or run, or it is in a state that does not allow this."""


_LONGEST_TEXT = 300


def describe(error: BaseException) -> str:
    """Return type and text of what any code raised, as one line that JSON can hold."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - user code: even its error's text may raise
        text = "(its text cannot be shown)"
    if len(text) > _LONGEST_TEXT:  # one that holds a traceback names its cause at the end
        text = f"{text[: _LONGEST_TEXT // 2]} ... {text[-_LONGEST_TEXT // 2 :]}"
    name = type(error).__name__
    return encodable(f"{name}: {text}" if text else name)


def ends_process(error: BaseException) -> bool:
    """Return whether an exception is how a signal ends this Celery process.

    User code that calls `sys.exit` raises `SystemExit`, too: that is a fault like any other.
    Celery's processes leave with the number of the signal minus 256.
    """
    code = error.code if isinstance(error, SystemExit) else None
    return isinstance(code, int) and -256 < code < -128  # noqa: PLR2004 - as said above


def encodable(text: str) -> str:
    """Return a text without lone surrogates, which no JSON reader takes."""
    return text.encode("utf-8", "backslashreplace").decode()
