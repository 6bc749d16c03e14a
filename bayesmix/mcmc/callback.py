"""A PyMC model as nutpie sees it: one C function that returns log density and gradient, after an affine change.

    u = centre + factor z,      log p(z) = log p(u),      d/dz = factor^T d/du

PyTensor keeps its compiled log density on disk. nutpie's own bridge links it into a new C function in every
process, which takes longer than most small models sample; here it is called by its address instead. The
affine change is exact: NUTS samples the same posterior in coordinates in which it is rounder.

This builds nutpie's `CompiledPyMCModel` from its parts. That is not a documented interface: nutpie is pinned below
0.17, and a test compares its draws with those of nutpie's own bridge.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Density:
    """The compiled log density of a PyMC model in its unconstrained coordinates u (p,)."""

    evaluate: object  # u -> (log density, gradient (p,))
    compiled: object  # nutpie's model in the coordinates z
    p: int

    def chain(self, start, centre=None, factor=None):
        """nutpie's model of one chain that starts at u = `start`, and the function from its z (draws, p) to u."""
        centre = np.zeros(self.p) if centre is None else centre
        plain = factor is None
        factor = np.eye(self.p) if plain else factor
        z = start - centre if plain else np.linalg.solve(factor, start - centre)
        change = np.concatenate([centre, factor.ravel()])
        model = dataclasses.replace(self.compiled, initial_point_func=lambda _seed: z.copy(), user_data=change)
        return model, lambda z: centre + z @ factor.T


def density(pymc_model, p):
    """The Density of a PyMC model with p unconstrained coordinates."""
    import numba
    from numba import types
    from numba.core.types.function_type import CompileResultWAP
    from nutpie.compile_pymc import CompiledPyMCModel
    from pytensor.link.numba.dispatch.basic import numba_njit

    function = pymc_model.logp_dlogp_function(ravel_inputs=True)._pytensor_function
    jitted = function.vm.jit_fn
    arrays = [np.ascontiguousarray(s.get_value(borrow=True)) for s in function.get_shared()]

    def evaluate(u):
        value, slope = jitted(u, *arrays)
        return float(value), np.asarray(slope)

    evaluate(np.zeros(p))  # compiled, or loaded from the disk
    signature = types.Tuple([numba.typeof(a) for a in (np.zeros(p), *arrays)])
    by_address = bound(CompileResultWAP(jitted.overloads[(signature,)]), arrays)

    @numba_njit(fastmath={"reassoc", "contract", "nsz"})
    def affine(z, change, slope_z):
        u = np.empty(p)
        for i in range(p):
            row, total = change[p + i * p : p + (i + 1) * p], 0.0
            for j in range(p):
                total += row[j] * z[j]
            u[i] = change[i] + total
        value, slope = by_address((u,))
        slope_z[:] = 0.0
        for i in range(p):
            row = change[p + i * p : p + (i + 1) * p]
            for j in range(p):
                slope_z[j] += row[j] * slope[i]
        return value[()]

    number = types.CPointer(types.float64)

    def log_density(size, z, slope, value, change):
        out = numba.carray(slope, (p,))
        value[0] = affine(numba.carray(z, (p,)), numba.carray(change, (p + p * p,)), out)
        if not np.isfinite(value[0]):
            return 4
        for i in range(p):
            if not np.isfinite(out[i]):
                return 3  # both: a divergent trajectory, from which nutpie goes on
        return 0

    def expand(size, expanded, z, out, change):
        for i in range(p):
            out[i] = z[i]
        return 0

    whole = types.uint64
    compiled = CompiledPyMCModel(
        dims={}, reparameterized_names=[],
        compiled_logp_func=numba.cfunc(types.int64(whole, number, number, number, number))(log_density),
        compiled_expand_func=numba.cfunc(types.int64(whole, whole, number, number, number))(expand),
        initial_point_func=None, shared_data=dict(enumerate(arrays)), shared_var_keys={}, user_data=None, n_expanded=p,
        shape_info=(["z"], [slice(0, p)], [(p,)]), logp_func=function, expand_func=None,
        _n_dim=p, _shapes={"z": (p,)}, _coords={},
    )  # fmt: skip
    return Density(evaluate, compiled, p)


def bound(function, arrays):
    """The jitted function args -> function(args + arrays), the arrays read in place and never copied."""
    import numba
    from pytensor.link.numba.dispatch.basic import numba_njit  # njit without the wrappers that only Python needs

    if not arrays:

        @numba_njit
        def call(args):
            return function(args)

        return call
    *rest, last = arrays
    address, shape, dtype = last.ctypes.data, last.shape, last.dtype
    at = pointer()

    # the arrays are bound from the first to the last: the innermost function adds the last one
    @numba_njit
    def with_last(args):
        return function((*args, numba.carray(at(address), shape, dtype)))

    return bound(with_last, rest)


def pointer():
    """The intrinsic that makes a pointer of a whole number."""
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    @intrinsic
    def at(context, address):
        return types.voidptr(address), lambda _c, builder, _s, args: builder.inttoptr(args[0], cgutils.voidptr_t)

    return at
