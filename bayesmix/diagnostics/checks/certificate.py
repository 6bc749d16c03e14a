"""Did both engines use one density?"""

from bayesmix.diagnostics.findings import Finding, check


@check
def certificate(evidence):
    """The certificate stored with the fit."""
    if evidence.fit is None:
        return None
    passport = evidence.fit.certificate
    if passport.ok:
        return Finding("certificate", "good", passport.summary())
    return Finding(
        "certificate", "problem", passport.summary(), "undecided",
        advice="Find the family or prior whose readings differ: bm.certificate(model, data).terms names the term.",
    )  # fmt: skip
