"""The task that writes advice to two files at the site, for its administrator."""

from __future__ import annotations

import json
from pathlib import Path

from common import settings
from common.files import replace_synced
from common.log import get_logger
from common.messages import AdviceNote
from tasks.app import app

_log = get_logger(__name__)


@app.task(name="advise", pydantic=True, pydantic_strict=False)
def advise(note: AdviceNote) -> None:
    """Write advice to ``FAIRWIND_HOME/advice`` as Markdown and JSON, in place of the last one."""
    folder = settings.load().folder / "advice"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        figures = json.dumps(note.figures, indent=2, ensure_ascii=False)
        _write(folder / f"{note.client}.json", f"{figures}\n")
        _write(folder / f"{note.client}.md", note.card)
    except OSError as error:
        _log.warning("advice.not_kept", client=note.client, reason=str(error))
        return
    _log.info("advice.received", client=note.client, path=str(folder / f"{note.client}.md"))


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.part")
    partial.write_text(text, encoding="utf-8")
    replace_synced(partial, path)
