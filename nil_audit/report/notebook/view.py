"""Which view shows which result; what ``nil_audit/__init__.py`` hands to `nil_audit.displayed`."""

from nil_audit.auditing.record import Record
from nil_audit.auditing.several import Audits
from nil_audit.calibration.result import Calibration
from nil_audit.candidate.result import CandidateReport
from nil_audit.comparison.result import Comparison
from nil_audit.displayed import View
from nil_audit.report.notebook.audit import AuditsView, RecordView
from nil_audit.report.notebook.calibration import CalibrationView
from nil_audit.report.notebook.candidate import CandidateView
from nil_audit.report.notebook.comparison import ComparisonView

_VIEWS: dict[type, View] = {
    Record: RecordView(),
    Audits: AuditsView(),
    Comparison: ComparisonView(),
    CandidateReport: CandidateView(),
    Calibration: CalibrationView(),
}


def view(result: object) -> View:
    """What shows a result of one of the classes that are `nil_audit.displayed.Displayed`, or of one derived from it."""
    return next(_VIEWS[kind] for kind in type(result).__mro__ if kind in _VIEWS)
