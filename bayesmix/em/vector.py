"""What the compiled passes are written with: flat arrays over which the compiler can vectorise, and an exp."""

from llvmlite import ir
from numba import njit, types
from numba.core.errors import TypingError
from numba.extending import intrinsic, register_jitable

FAST = {"reassoc", "contract", "nsz", "arcp"}  # sums may be reordered; NaN and infinity keep their meaning
DATA = 4  # where numba's struct of an array holds the address of its first entry


LOG2_E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the nearest integer in the low bits


def part(function=None, *, fastmath=False):
    """A compiled function that only compiled ones call: without what Python would need to call it."""
    make = njit(
        cache=True, error_model="numpy", fastmath=fastmath, no_cpython_wrapper=True, no_cfunc_wrapper=True
    )  # fmt: skip
    return make if function is None else make(function)


def inlined(function):
    """A compiled function that is written into its callers: glue, whose parts would be compiled once more otherwise."""
    return njit(inline="always")(function)


@intrinsic
def _bits(typing, v):
    """The bits of a float64 as int64."""
    return types.int64(types.float64), lambda context, b, sig, args: b.bitcast(args[0], ir.IntType(64))


@intrinsic
def _float(typing, n):
    """The float64 with these bits."""
    return types.float64(types.int64), lambda context, b, sig, args: b.bitcast(args[0], ir.DoubleType())


def _address(context, builder, sig, args):
    return builder.gep(builder.extract_value(args[0], DATA), [args[1]], inbounds=True)


@intrinsic
def get(typing, a, i):
    """Entry i >= 0 of a contiguous array, flat: no test for a negative index, which prevents vectorised loops."""
    return types.float64(a, types.int64), lambda context, b, sig, args: b.load(_address(context, b, sig, args))


@intrinsic
def put(typing, a, i, v):
    """a[i] = v of a flat array, i >= 0."""

    def code(context, builder, sig, args):
        builder.store(args[2], _address(context, builder, sig, args))
        return context.get_dummy_value()

    return types.void(a, types.int64, types.float64), code


@intrinsic
def pointer(typing, a):
    """p with p[i] = a[i] of the flat contiguous array: half the code of an array to compile, and no count of its users.

    So `a` must be an argument of the function that Python calls, who keeps it alive.
    """
    if a.layout != "C":
        raise TypingError(f"expected a C-contiguous array, got {a}")
    return types.CPointer(a.dtype)(a), lambda context, b, sig, args: b.extract_value(args[0], DATA)


@intrinsic
def after(typing, p, i):
    """q with q[j] = p[i + j]."""
    return p(p, types.int64), lambda context, b, sig, args: b.gep(args[0], [args[1]], inbounds=True)


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def exp(v):
    """exp(v) for -700 <= v <= 700, to 1e-15 relative: 2^n times a Taylor polynomial of degree 13 on |r| <= log(2)/2."""
    t = v * LOG2_E + ROUND
    n = t - ROUND
    r = (v - n * LN2_HIGH) - n * LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _float((_bits(t) + 1023) << 52)


@register_jitable
def up4(n):
    """The next multiple of 4."""
    return (n + 3) // 4 * 4


@register_jitable
def up2(n):
    """The next even number."""
    return (n + 1) // 2 * 2


@register_jitable
def up16(n):
    """The next multiple of 16: whole vectors, whatever their length."""
    return (n + 15) // 16 * 16
