"""nil-audit: is a small dense language model's depth and width a good split of its parameters?

The public functions are loaded on first use, so that ``import nil_audit`` costs milliseconds and loads
neither torch nor transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nil_audit.displayed import View, show_with

if TYPE_CHECKING:
    from nil_audit.auditing.audit import audit as audit
    from nil_audit.auditing.record import read_record as read_record
    from nil_audit.auditing.several import Audits as Audits
    from nil_audit.auditing.several import audit_many as audit_many
    from nil_audit.auditing.several import read_records as read_records
    from nil_audit.calibration.calibrate import calibrate as calibrate
    from nil_audit.candidate.check import check_candidate as check_candidate
    from nil_audit.comparison.compare import compare as compare
    from nil_audit.data import demo_model as demo_model
    from nil_audit.errors import NilAuditError as NilAuditError
    from nil_audit.shape.architecture import Shape as Shape
    from nil_audit.shape.architecture import read_shape as read_shape
    from nil_audit.stats.estimate import Estimate as Estimate

__version__ = "0.1.0"

_PUBLIC = {
    "NilAuditError": "nil_audit.errors",
    "Shape": "nil_audit.shape.architecture",
    "read_shape": "nil_audit.shape.architecture",
    "audit": "nil_audit.auditing.audit",
    "audit_many": "nil_audit.auditing.several",
    "Audits": "nil_audit.auditing.several",
    "read_record": "nil_audit.auditing.record",
    "read_records": "nil_audit.auditing.several",
    "demo_model": "nil_audit.data",
    "calibrate": "nil_audit.calibration.calibrate",
    "compare": "nil_audit.comparison.compare",
    "check_candidate": "nil_audit.candidate.check",
    "Estimate": "nil_audit.stats.estimate",
}

__all__ = ["__version__", *_PUBLIC]


def _view(result: object) -> View:
    """Import the views of results on first use; what is below them knows nothing of them."""
    found: View = import_module("nil_audit.report.notebook.view").view(result)
    return found


show_with(_view)


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it, on first use."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'nil_audit' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    """The public names, for tab completion."""
    return sorted(__all__)
