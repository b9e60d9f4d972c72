"""A password in a file that its user alone can read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from common.errors import SettingError
from common.private_files import write_private
from common.redis_users import new_password


def load_or_make_password(path: Path) -> str:
    """Return the password in a file; a new one is made where there is no file yet.

    Several processes may do so at once: all of them get the same.

    Raises:
        SettingError: If the file cannot be read or written, or is empty.
    """
    try:
        if not path.exists():
            with suppress(FileExistsError):  # another process was faster
                write_private(path, f"{new_password()}\n".encode(), replaces=False)
        password = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        msg = (
            f"{path} cannot be used ({error}), so Redis would refuse what logs in with the "
            "password in it. Make it a file of this user's, or delete it: a new one is made then."
        )
        raise SettingError(msg) from None
    if not password:
        msg = (
            f"{path} holds no password, so nobody can log in with it. Delete it: one is made then."
        )
        raise SettingError(msg)
    return password
