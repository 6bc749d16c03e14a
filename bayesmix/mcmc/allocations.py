"""Allocations drawn from unnormalised log probabilities."""


def draw_allocations(log_p, rng):
    """z (n,) with probabilities proportional to exp(log_p), (n, K), by the Gumbel trick."""
    return (log_p + rng.gumbel(size=log_p.shape)).argmax(axis=1)
