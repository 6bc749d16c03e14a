"""The part of the callback that is the same for every model: the affine change, compiled once and kept on disk.

`change` is flat: the centre (p,), then the factor (p, p), row by row.
"""

import numpy as np
from numba import cfunc, njit, types

FAST = {"reassoc", "contract", "nsz"}
NUMBER, WHOLE = types.CPointer(types.float64), types.uint64


@njit(cache=True, fastmath=FAST)
def outward(z, change, u):
    """u = centre + factor z, in place."""
    p = len(z)
    for i in range(p):
        row, total = change[p + i * p : p + (i + 1) * p], 0.0
        for j in range(p):
            total += row[j] * z[j]
        u[i] = change[i] + total


@njit(cache=True, fastmath=FAST)
def inward(slope_u, change, value, slope):
    """slope = factor^T slope_u, in place; 0, or 4 and 3 where value or slope are not finite.

    Neither ends a chain: nutpie takes them for a divergent trajectory, from which it goes on.
    """
    p = len(slope)
    slope[:] = 0.0
    for i in range(p):
        row = change[p + i * p : p + (i + 1) * p]
        for j in range(p):
            slope[j] += row[j] * slope_u[i]
    if not np.isfinite(value):
        return 4
    for i in range(p):
        if not np.isfinite(slope[i]):
            return 3
    return 0


@cfunc(types.int64(WHOLE, WHOLE, NUMBER, NUMBER, NUMBER), cache=True)
def expand(size, expanded, z, out, change):
    """The draws that nutpie keeps are those of z."""
    for i in range(expanded):
        out[i] = z[i]
    return 0
