"""Turn records into the references that ship with nil-audit: nil_audit/data/reference/NAME.json.

nil-audit model_lists/reference.csv --out reference/
python scripts/make_reference_records.py reference/

The records are measured with the command's own settings (WikiText-2, windows of 512, float32): a reference serves only
records of its own setting. Of each only what a comparison needs is written (about 25 kB), by its short name; one that
is there is replaced.
"""

import argparse
import sys
from pathlib import Path

from nil_audit.auditing.documents import read_records
from nil_audit.auditing.record import Record
from nil_audit.auditing.reference import compact, compact_text
from nil_audit.errors import NilAuditError
from nil_audit.files import distinct_names, write_atomically

FOLDER = Path(__file__).resolve().parent.parent / "nil_audit" / "data" / "reference"


def reference_files(records: list[Record]) -> dict[str, str]:
    """The text of each record's reference, by file name; a local folder is called by its last part."""
    documents = {}
    for record in records:
        if record.metric("typical_efficiency") is None:
            raise SystemExit(f"{record.name} has no typical efficiency; measure it again with this version.")
        document = compact(record.to_dict(), products=True)
        if document["model"]["source"] == "local":
            name = Path(record.name).name or Path(record.name).resolve().name
            document = {**document, "model": {**document["model"], "name": name}}
            document["shape"] = {**document["shape"], "name": name}
        documents[document["model"]["name"]] = document
    stems = distinct_names(documents)
    return {f"{stems[name]}.json": compact_text(document) for name, document in documents.items()}


def main() -> int:
    """Write the references; exit code 1 where there is no record to make one of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path, metavar="RECORD|DIR", help="records, or folders of records")
    try:
        found, notes = read_records(parser.parse_args().paths)
    except NilAuditError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for note in notes:
        sys.stderr.write(f"{note}\n")
    for name, text in reference_files([record for _, record in found]).items():
        write_atomically(FOLDER / name, text)
        sys.stdout.write(f"{name}: {len(text.encode()):,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
