"""A PyMC model as nutpie sees it: one C function that returns log density and gradient, after an affine change.

    u = centre + factor z,      log p(z) = log p(u),      d/dz = factor^T d/du

PyTensor keeps its compiled log density on disk. nutpie's own bridge links it into a new C function in every
process, which takes longer than most small models sample; here it is called by its address instead. The
affine change is exact: NUTS samples the same posterior in coordinates in which it is rounder.

This builds nutpie's `CompiledPyMCModel` from its parts. That is not a documented interface: nutpie is pinned below
0.17, and a test compares its draws with those of nutpie's own bridge.
"""

import dataclasses
from types import FunctionType

import numpy as np


@dataclasses.dataclass(frozen=True)
class Density:
    """The compiled log density of a PyMC model in its unconstrained coordinates u (p,)."""

    evaluate: object  # u -> (log density, gradient (p,))
    compiled: object  # nutpie's model in the coordinates z
    p: int
    data: dict  # name -> the array that the compiled function reads in place

    def chain(self, start, centre=None, factor=None):
        """nutpie's model of one chain that starts at u = `start`, and the function from its z (draws, p) to u."""
        centre = np.zeros(self.p) if centre is None else centre
        plain = factor is None
        factor = np.eye(self.p) if plain else factor
        z = start - centre if plain else np.linalg.solve(factor, start - centre)
        change = np.concatenate([centre, factor.ravel()])
        model = dataclasses.replace(self.compiled, initial_point_func=lambda _seed: z.copy(), user_data=change)
        return model, lambda z: centre + z @ factor.T


def density(pymc_model, p, point=None):
    """The Density of a PyMC model with p unconstrained coordinates.

    point: name -> unconstrained value, for its shapes; left out, PyMC compiles a function that finds one.
    """
    import numba
    from numba import types
    from numba.core.types.function_type import CompileResultWAP
    from nutpie.compile_pymc import CompiledPyMCModel

    from bayesmix.mcmc import bridge
    from bayesmix.mcmc.bridge import inward, outward

    function = pymc_model.logp_dlogp_function(ravel_inputs=True, initial_point=point)._pytensor_function
    jitted, shared = unwrapped(function.vm.jit_fn), function.get_shared()
    arrays = [np.require(s.get_value(borrow=True), requirements=["C", "W"]) for s in shared]

    def evaluate(u):
        value, slope = jitted(u, *arrays)
        return float(value), np.asarray(slope)

    evaluate(np.zeros(p))  # compiled, or loaded from the disk
    signature = tuple(numba.typeof(a) for a in (np.zeros(p), *arrays))
    by_address = bound(CompileResultWAP(jitted.overloads[signature]), arrays)

    number, whole = types.CPointer(types.float64), types.uint64

    def log_density(size, z, slope, value, change):
        u = np.empty(size)
        outward(numba.carray(z, (size,)), numba.carray(change, (size + size * size,)), u)
        total, slope_u = by_address(u)
        value[0] = total[()]
        return inward(slope_u, numba.carray(change, (size + size * size,)), value[0], numba.carray(slope, (size,)))

    compiled = CompiledPyMCModel(
        dims={}, reparameterized_names=[],
        compiled_logp_func=numba.cfunc(types.int64(whole, number, number, number, number))(log_density),
        compiled_expand_func=bridge.expand,
        initial_point_func=None, shared_data=dict(enumerate(arrays)), shared_var_keys={}, user_data=None, n_expanded=p,
        shape_info=(["z"], [slice(0, p)], [(p,)]), logp_func=function, expand_func=None,
        _n_dim=p, _shapes={"z": (p,)}, _coords={},
    )  # fmt: skip
    return Density(evaluate, compiled, p, dict(zip([s.name for s in shared], arrays, strict=True)))


def unwrapped(jitted):
    """PyTensor's jitted graph without the function around it, which only gives it a name in the cache on disk.

    Both would be optimised whole, one after the other: half of the seven to fifteen seconds that a new model takes.
    """
    from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS
    from pytensor.link.numba.dispatch.basic import numba_njit

    around = jitted.py_func
    if around not in CACHED_SRC_FUNCTIONS:  # it holds what cannot be kept on disk
        return jitted
    inner = around.__globals__["jitable_func"].py_func
    same = inner.__code__.replace(co_filename=around.__code__.co_filename)  # it came from a file that has gone
    graph = FunctionType(same, inner.__globals__)
    CACHED_SRC_FUNCTIONS[graph] = CACHED_SRC_FUNCTIONS[around] + "_unwrapped"
    return numba_njit(graph, final_function=True, cache=True)


def bound(function, arrays):
    """The jitted function u -> function(u, *arrays), the arrays read in place and never copied."""
    from numba import typeof, types
    from numba.extending import intrinsic
    from numba.np.arrayobj import make_array, populate_array
    from pytensor.link.numba.dispatch.basic import numba_njit  # njit without the wrappers that only Python needs

    kinds = [typeof(a) for a in arrays]

    @intrinsic
    def held(context):
        def build(context, builder, signature, _args):
            made = []
            for array, kind in zip(arrays, kinds, strict=True):
                one = make_array(kind)(context, builder)
                at = builder.inttoptr(context.get_constant(types.uintp, array.ctypes.data), one.data.type)
                size, *numbers = (context.get_constant(types.intp, v) for v in (array.itemsize, *array.shape))
                steps = [context.get_constant(types.intp, v) for v in array.strides]
                populate_array(one, data=at, shape=numbers, strides=steps, itemsize=size, meminfo=None)
                made.append(one._getvalue())
            return context.make_tuple(builder, signature.return_type, made)

        return types.Tuple(kinds)(), build

    @numba_njit
    def call(u):
        return function(u, *held())

    return call
