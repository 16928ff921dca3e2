"""The filter loss from its definition, in float64 NumPy: loops where the package has algebra.

Maps are `[N, h, w]`, of one filter. Nothing here is shared with the package.
"""

import math

import numpy as np


def templates(h, w, tau=None, beta=4.0, norm="l1"):
    """`T_mu` row by row, then `T_neg`: `[h*w + 1, h, w]`."""
    tau = 0.5 / (h * w) if tau is None else tau
    n = math.sqrt(h * w)
    bank = []
    for mi in range(h):
        for mj in range(w):
            t = np.empty((h, w))
            for i in range(h):
                for j in range(w):
                    d = abs(i - mi) + abs(j - mj)
                    if norm == "l2":
                        d = math.sqrt((i - mi) ** 2 + (j - mj) ** 2)
                    t[i, j] = tau * max(1 - beta * d / n, -1)
            bank.append(t)
    bank.append(np.full((h, w), -tau))
    return np.array(bank)


def prior(h, w):
    return np.full(h * w + 1, 1.0 / (h * w + 1))


def traces(x, bank):
    return np.array([[np.sum(a * t) for t in bank] for a in x])


def mutual_information(x, bank, p):
    """MI(X; T) of Eq. (1): sums over the images and templates."""
    e = np.exp(traces(x, bank))
    p_x_given_t = e / e.sum(axis=0)
    p_x = p_x_given_t @ p
    return float(np.sum(p * p_x_given_t * np.log(p_x_given_t / p_x[:, None])))


def constant_z_loss(x, bank, p, m):
    """-MI with `Z_T = N m_T` held, p(x) following x."""
    e = np.exp(traces(x, bank))
    p_x_given_t = e / (len(x) * m)
    p_x = p_x_given_t @ p
    return -float(np.sum(p * p_x_given_t * np.log(p_x_given_t / p_x[:, None])))


def constant_marginal_loss(x, bank, p, m):
    """-MI with `Z_T` and `p(x) = 1/N` held."""
    n = len(x)
    p_x_given_t = np.exp(traces(x, bank)) / (n * m)
    return -float(np.sum(p * p_x_given_t * np.log(p_x_given_t * n)))


def one_template_surrogate(x, bank, p, target, m, q):
    """The function whose gradient Eq. (4) is, with target, Z_T and p(x) held."""
    total = 0.0
    for a, t, qx in zip(x, target, q, strict=True):
        s = np.sum(a * bank[t])
        u = s - math.log(m[t])
        total -= p[t] * math.exp(u) * (u - math.log(qx) - 1) / len(x)
    return total


def finite_differences(f, x, step=1e-4):
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (f(up) - f(down)) / (2 * step)
    return gradient


def means(x, bank):
    return np.exp(traces(x, bank)).mean(axis=0)


def evidence(x, bank, p, m):
    """q = N p(x)."""
    return (np.exp(traces(x, bank)) / m) @ p


def official_strength(x, mirrored_peaks, positive, bank, peaks, tau, alpha=0.5):
    """exp(s/alpha)(s - A + alpha) / exp(A/alpha) of one filter: `_ops.official_strength`."""
    units = x[0].size
    w = x[0].shape[1]
    s_own = np.array([np.sum(a * bank[i * w + j]) for a, (i, j) in zip(x, peaks, strict=True)])
    s_others = np.array(
        [np.sum(a * bank[i * w + j]) for a, (i, j) in zip(x, mirrored_peaks, strict=True)]
    )
    s_negative = np.array([np.sum(a * bank[-1]) for a in x])
    s_own, s_others, s_negative = (s / (tau * units) for s in (s_own, s_others, s_negative))
    result = []
    for k in range(len(x)):
        s = s_own[k] if positive[k] else s_negative[k]
        others = s_others if positive[k] else s_negative
        a = alpha * math.log(np.mean(np.exp(others / alpha)))
        result.append(math.exp(s / alpha) * (s - a + alpha) / math.exp(a / alpha))
    return np.array(result)
