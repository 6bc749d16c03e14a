"""One file per check; importing it registers it."""

from bayesmix.diagnostics.checks import (  # noqa: F401
    above_the_map,
    ambiguous,
    census,
    certificate,
    convergence,
    degenerate,
    divergences,
    effective_size,
    energy,
    failed_chains,
    floor,
    identified,
    labels_against_order,
    order,
    prior_conflict,
    scattered,
    several_modes,
    switching,
    tree_depth,
    unvisited,
)
