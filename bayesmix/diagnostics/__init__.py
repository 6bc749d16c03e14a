"""What to make of a fit: relabelling, findings, the verdict, MAP beside posterior."""

from bayesmix.diagnostics.findings import Finding, check

__all__ = ["Finding", "check"]
