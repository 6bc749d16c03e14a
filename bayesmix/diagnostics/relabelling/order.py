"""Relabelling by an order: component 0 has the smallest coordinate."""

import numpy as np

from bayesmix.diagnostics.relabelling.register import assigned, method


@method("order", needs=("coordinate",))
def order(material):
    """Sort by a coordinate: C[k, l] = -k theta_l.

    The smallest sum of products pairs ranks with sorted values, so the assignment sorts, and the gap is
    the smallest difference between neighbours.

    References: Richardson & Green (1997), JRSS B 59:731-792, section 2.3.
    """
    rank = np.arange(material.K, dtype=float)
    return assigned(material, -rank[:, None] * material.coordinate[:, None, :])
