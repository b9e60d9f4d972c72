"""A report as one HTML file: no script, nothing to fetch, fit for paper and for a dark screen."""

from __future__ import annotations

from pathlib import Path

from tornado.template import Loader

from common.visible import visible_lines
from scheduler.report import detail, summary
from scheduler.report.basis_section import annual_section, basis_section
from scheduler.report.pictures import pictures_section
from scheduler.report.report import Report
from scheduler.report.scope2 import scope2_section
from scheduler.report.section import Section
from scheduler.report.show import Show, names, time


def to_html(report: Report) -> str:
    """Return the document. Every word of a site or a provider is escaped."""
    template = Loader(str(Path(__file__).parent)).load("report.html")
    what = f"run {report.scope.run}" if report.scope.run else "all runs"
    html = template.generate(
        title="Energy and emissions of federated training",
        what=what,
        period=f"{time(report.began)} to {time(report.ended)} UTC",
        rounds=_rounds(report),
        sites=names([f"{site.name} ({site.note})" for site in report.sites]),
        mark=summary.mark(report),
        figures=summary.figures(report),
        sentences=summary.sentences(report),
        sections=sections(report),
        provenance=report.provenance,
        made_at=time(report.provenance.made_at),
    ).decode()
    return visible_lines(html)


def _rounds(report: Report) -> str:
    """Return which rounds a report covers, if not all."""
    since, until = report.scope.since, report.scope.until
    parts = [
        *([f"from {time(since)}"] if since else []),
        *([f"before {time(until)}"] if until else []),
    ]
    return f"rounds planned {' and '.join(parts)} UTC" if parts else "all rounds"


def sections(report: Report) -> list[Section]:
    """Return the sections of the document in their order."""
    show = Show.of(report)
    return [
        summary.totals_section(report, show),
        scope2_section(report, show),
        summary.avoided_section(report, show),
        pictures_section(report, show),
        detail.runs_section(report, show),
        detail.rounds_section(report, show),
        *detail.privacy_section(report),
        *detail.groups_sections(report, show),
        detail.outcomes_section(report, show),
        basis_section(report, show),
        annual_section(report, show),
        detail.sureness_section(report, show),
        detail.signals_section(report),
        detail.methods_section(),
        detail.checking_section(report),
    ]
