"""One page that says what is proved, what is computed, what was trained, and whether they agree."""

from verify.report.build import ReportSummary, build_report

__all__ = ["ReportSummary", "build_report"]
