"""Small positive definite matrices, written out entry by entry.

Elementwise operations on (K,) vectors serve NumPy and PyTensor alike, compile in a fraction of the
time of batched linear algebra and differentiate at no extra cost.
"""

UNROLL = {"numpy": 2, "pytensor.tensor": 6}  # up to this size writing out is the faster way


def inverse_factor(xp, cov, d):
    """Rows of A = L^-1 as lists of (K,) vectors, L the Cholesky factor of cov (K, d, d)."""
    L = [[None] * d for _ in range(d)]
    for i in range(d):
        for j in range(i + 1):
            rest = cov[:, i, j] - sum(L[i][k] * L[j][k] for k in range(j))
            L[i][j] = xp.sqrt(rest) if i == j else rest / L[j][j]
    A = [[0.0] * d for _ in range(d)]
    for i in range(d):
        A[i][i] = 1 / L[i][i]
        for j in range(i):
            A[i][j] = -sum(L[i][k] * A[k][j] for k in range(j, i)) / L[i][i]
    return A


def precision_and_log_det(xp, cov, d):
    """Entries P_ij of cov^-1 for i <= j, (K,) vectors in a dict, and log |cov|, (K,)."""
    if d > UNROLL[xp.__name__]:
        factor = xp.linalg.cholesky(cov)
        inverse = xp.linalg.inv(cov)
        log_det = sum(2 * xp.log(factor[:, i, i]) for i in range(d))
        return {(i, j): 0.5 * (inverse[:, i, j] + inverse[:, j, i]) for i in range(d) for j in range(i, d)}, log_det
    A = inverse_factor(xp, cov, d)
    entries = {(i, j): sum(A[r][i] * A[r][j] for r in range(j, d)) for i in range(d) for j in range(i, d)}
    return entries, sum(-2 * xp.log(A[i][i]) for i in range(d))
