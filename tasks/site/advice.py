"""The task that writes advice to two files at the site, for its administrator."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from common import settings
from common.files import replace_synced
from common.log import get_logger
from common.messages import AdviceNote
from common.visible import escaped_json, visible_lines
from tasks.app import app
from tasks.site.post import post
from tasks.site.site_files import SiteFiles

_log = get_logger(__name__)


@app.task(name="advise", throws=(ValidationError,))
def advise(body: object) -> None:
    """Write advice to ``FAIRWIND_HOME/advice`` as Markdown and JSON, in place of the last one.

    Raises:
        ValidationError: If it is none.
    """
    inbox = post().inbox
    taken = inbox.take("advise", body)
    if taken is not None:
        _keep(AdviceNote.model_validate(taken.payload))
        inbox.done(taken)


def _keep(note: AdviceNote) -> None:
    ours = settings.load()
    folder, partial = ours.folder / "advice", SiteFiles(ours, note.client).folder / "advice.part"
    try:
        for each in (folder, partial.parent):
            each.mkdir(parents=True, exist_ok=True)
        figures = escaped_json(json.dumps(note.figures, indent=2, ensure_ascii=False))
        _write(folder / f"{note.client}.json", f"{figures}\n", partial)
        _write(folder / f"{note.client}.md", visible_lines(note.card), partial)
    except OSError as error:
        _log.warning("advice.not_kept", client=note.client, reason=str(error))
        return
    _log.info("advice.received", client=note.client, path=str(folder / f"{note.client}.md"))


def _write(path: Path, text: str, partial: Path) -> None:
    partial.write_text(text, encoding="utf-8")
    replace_synced(partial, path)
