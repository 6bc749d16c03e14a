"""One file per check; importing it registers it."""

from bayesmix.diagnostics.checks import (  # noqa: F401
    above_the_map,
    census,
    certificate,
    convergence,
    degenerate,
    divergences,
    effective_size,
    failed_chains,
    several_modes,
    switching,
)
