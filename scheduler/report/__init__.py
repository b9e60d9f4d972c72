"""The report: what a federation used and emitted, as a document one can hand to an auditor."""
