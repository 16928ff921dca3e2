"""How well maps fit the templates: Eqs. (1), (2), (4) and (5).

Shapes: `B` images, `h x w` units, `F` filters, `T = h*w + 1` templates in the order of
`TemplateBank.bank()`. Maps are channels last and not negative; everything is float32.

`log_m` is the log of `m_T = mean_x exp(tr(x.T))`, so that the paper's `Z_T = N m_T`. `N` cancels
against the `1/N` of the task loss, and `q = N p(x) = sum_T p(T) exp(tr(x.T)) / m_T`.
"""

import numpy as np
from keras import ops

from keras_icnn.layers import _replicas

MARGINALS = ("map", "constant")


def traces(x, bank):
    """`tr(x.T)` for all templates: float32 `[B, T, F]` (Eq. 2)."""
    flat = ops.reshape(ops.cast(x, "float32"), (-1, bank.units, x.shape[3]))
    return ops.matmul(ops.convert_to_tensor(bank.table), flat)


def log_mean_exp(values, batch_size):
    """Log of the mean of `exp(values)` over all replicas' batch: `[B, ...]` to `[...]`."""
    log_sum = _replicas.gather(ops.logsumexp(values, axis=0))
    return ops.logsumexp(log_sum, axis=0) - ops.log(batch_size)


class Likelihood:
    """Eqs. (1), (2) and (4) for a batch of maps and given `Z_T`.

    Args:
        trace: `tr(x.T)`, `[B, T, F]`.
        log_m: Log of the mean of `exp(tr(x.T))` over the data, `[T, F]`.
        bank: `TemplateBank`.
        marginal: `"map"`, p(x) of each map from Eq. (2), or `"constant"`, p(x) = 1/N (the paper's
            second footnote), with which the bracket of the gradient gains a 1.
    """

    def __init__(self, trace, log_m, bank, marginal="map"):
        log_prior = bank.log_prior()
        self._prior = ops.convert_to_tensor(np.exp(log_prior).astype("float32"))
        self._log_prior = ops.convert_to_tensor(log_prior.astype("float32"))
        self._constant = marginal == "constant"
        self._log_ratio = trace - log_m  # log [N p(x|T)]
        self._ratio = ops.exp(self._log_ratio)
        # q = N p(x)
        self.q = self._over_templates(self._ratio)
        self.log_q = ops.log(ops.maximum(self.q, np.finfo("float32").tiny))

    def _over_templates(self, values):
        """Expectation over the prior: `[B, T, F]` to `[B, F]`."""
        return ops.einsum("t,btf->bf", self._prior, values)

    def _bracket(self, log_ratio, log_q):
        return log_ratio + 1.0 if self._constant else log_ratio - log_q

    def loss(self):
        """`-MI(X; T)` of each filter in nats, `[F]`: Eq. (1) with sums over x as batch means."""
        inner = self._over_templates(self._ratio * self._log_ratio)
        if not self._constant:
            inner = inner - self.q * self.log_q
        return -ops.mean(inner, axis=0)

    def target_strength(self, index):
        """`p(T) p(x|T) N [tr - log m - log q]` of one template an image and filter (Eq. 4).

        Args:
            index: int32 `[B, F]`, the target template's index in the bank.

        Returns:
            float32 `[B, F]`; `-strength * T / N` is the one-template gradient.
        """
        log_ratio = _pick(self._log_ratio, index)
        log_prior = ops.take(self._log_prior, index)
        return ops.exp(log_prior + log_ratio) * self._bracket(log_ratio, self.log_q)

    def all_strengths(self, batch_size, differentiate_z):
        """As `target_strength` for all templates: `[B, T, F]` (exact gradient, appendix).

        `differentiate_z` differentiates `Z_T` too: the bracket loses its own mean over `p(x|T)`.
        """
        bracket = self._bracket(self._log_ratio, ops.expand_dims(self.log_q, 1))
        if differentiate_z:
            total = _replicas.all_sum([ops.sum(self._ratio * bracket, axis=0)])[0]
            bracket = bracket - total / batch_size
        return ops.reshape(self._prior, (1, -1, 1)) * self._ratio * bracket

    def entropies(self):
        """The terms of Eq. (5) for each filter, in nats, with sums over x as batch means.

        Returns:
            Dict of `[F]`: `category_entropy`, H(T' = {T-, T+} | X), Eq. (6); `spatial_entropy`,
            sum_x p(T+, x) H(T+ | X = x), Eqs. (5) and (7).
        """
        joint = ops.reshape(self._prior, (1, -1, 1)) * self._ratio  # N p(T, x)
        posterior = joint / ops.expand_dims(self.q, 1)
        log_prior = ops.reshape(self._log_prior, (1, -1, 1))
        log_posterior = log_prior + self._log_ratio - ops.expand_dims(self.log_q, 1)
        negative, log_negative = posterior[:, -1], log_posterior[:, -1]
        positive = ops.sum(posterior[:, :-1], axis=1)
        log_positive = ops.logsumexp(log_posterior[:, :-1], axis=1)
        category = -(negative * log_negative + positive * log_positive)
        within = posterior[:, :-1] * (log_posterior[:, :-1] - ops.expand_dims(log_positive, 1))
        spatial = -ops.sum(within, axis=1)
        return {
            "category_entropy": ops.mean(self.q * category, axis=0),
            "spatial_entropy": ops.mean(self.q * spatial, axis=0),
        }


def diagnostics(maps, scale, bank):
    """The loss of Eq. (1) and its entropies over the given maps alone, against their own Z_T.

    Args:
        maps: `[B, h, w, F]`, not negative.
        scale: `[F]`, what each filter's maps are divided by.
        bank: `TemplateBank`.

    Returns:
        Dict of `[F]`, in nats: `mutual_information`, `category_entropy`, `spatial_entropy`.
    """
    trace = traces(maps, bank) / scale
    images = ops.cast(ops.shape(maps)[0], "float32")
    likelihood = Likelihood(trace, log_mean_exp(trace, images), bank)
    return {"mutual_information": -likelihood.loss(), **likelihood.entropies()}


def _pick(values, index):
    """`values[b, index[b, f], f]`: `[B, T, F]` and int32 `[B, F]` to `[B, F]`."""
    templates, filters = values.shape[1], values.shape[2]
    image = ops.expand_dims(ops.arange(ops.shape(values)[0], dtype="int32"), 1)
    return ops.take(
        values, (image * templates + index) * filters + ops.arange(filters, dtype="int32")
    )
