"""An independent RBM in plain NumPy, as a reference for Valley's C++ one.

Written from Hinton's practical guide of 2010, Tieleman 2008 and docs/objectives-dbn.md. Everything is in double
precision; draws are Philox's, numbers that Valley's chains compare probabilities with.
"""

import dataclasses

import numpy

GIBBS, GIBBS_NOISE, MEASURE = 17, 18, 20  # streams


def philox(seed, stream, position, block):
    """uint32 [..., 4]: Philox4x32-10 (Salmon et al. 2011) of counters (position, stream, block), which broadcast."""
    position, block = numpy.broadcast_arrays(numpy.asarray(position, numpy.uint64), numpy.asarray(block, numpy.uint64))
    low = numpy.uint64(0xFFFFFFFF)
    shift = numpy.uint64(32)
    c = [position & low, position >> shift, numpy.full_like(position, stream), block & low]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = numpy.uint64(0xD2511F53) * c[0], numpy.uint64(0xCD9E8D57) * c[2]
        c = [(b >> shift) ^ c[1] ^ numpy.uint64(key[0]), b & low, (a >> shift) ^ c[3] ^ numpy.uint64(key[1]), a & low]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return numpy.stack(c, -1).astype(numpy.uint32)


def words(seed, stream, positions, count, first_block):
    """uint32 [B, count rounded up to 4]."""
    blocks = first_block + numpy.arange((count + 3) // 4)
    return philox(seed, stream, positions[:, None], blocks[None, :]).reshape(len(positions), -1)


def uniforms(seed, stream, positions, count, first_block=0):
    """[B, count] in [0, 1), multiples of 2^-24."""
    return (words(seed, stream, positions, count, first_block)[:, :count] >> 8) * 2.0**-24


def normals(seed, stream, positions, count, first_block=0):
    """[B, count] from N(0, 1), by Box and Muller."""
    pairs = words(seed, stream, positions, count, first_block).reshape(len(positions), -1, 2)
    radius = numpy.sqrt(-2 * numpy.log(((pairs[..., 0] >> 8) + 1) * 2.0**-24))
    angle = 2 * numpy.pi * (pairs[..., 1] >> 8) * 2.0**-24
    both = numpy.stack([radius * numpy.cos(angle), radius * numpy.sin(angle)], -1)
    return both.reshape(len(positions), -1)[:, :count]


def sigmoid(x):
    return 1 / (1 + numpy.exp(-x))


def softmax(x):
    e = numpy.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def blocks(count):
    return (count + 3) // 4


@dataclasses.dataclass
class Rbm:
    """`values`: weight [hidden, visible], visible_bias, hidden_bias and, with labels, label_weight, label_bias."""
    values: dict
    gaussian: bool = False

    def __post_init__(self):
        self.values = {name: numpy.asarray(value, float) for name, value in self.values.items()}
        self.hidden_units, self.visible_units = self.values["weight"].shape
        self.labels = self.values["label_bias"].size if "label_bias" in self.values else 0

    def hidden_input(self, v, y=None):
        x = v @ self.values["weight"].T + self.values["hidden_bias"]
        return x if y is None else x + y @ self.values["label_weight"].T

    def visible_mean(self, h):
        x = h @ self.values["weight"] + self.values["visible_bias"]
        return x if self.gaussian else sigmoid(x)

    def free_energy(self, v, y=None):
        b = self.values["visible_bias"]
        own = ((v - b)**2).sum(1) / 2 if self.gaussian else -v @ b
        energy = own - numpy.logaddexp(0, self.hidden_input(v, y)).sum(1)
        return energy if y is None else energy - y @ self.values["label_bias"]


class Draws:
    """What the chains of a step draw, for samples at `positions` of the training."""

    def __init__(self, rbm, seed, positions):
        self.rbm, self.seed, self.positions = rbm, seed, positions
        self.counts = [blocks(n) for n in (rbm.hidden_units, rbm.visible_units, rbm.labels)]

    def _uniform(self, count, step, kind):
        return uniforms(self.seed, GIBBS, self.positions, count, step * sum(self.counts) + sum(self.counts[:kind]))

    def hidden(self, p, step):
        return (self._uniform(self.rbm.hidden_units, step, 0) < p).astype(float)

    def visible(self, mean, step):
        n = self.rbm.visible_units
        if self.rbm.gaussian:
            return mean + normals(self.seed, GIBBS_NOISE, self.positions, n, step * self.counts[1])
        return (self._uniform(n, step, 1) < mean).astype(float)

    def label(self, p, step):
        gumbel = -numpy.log(-numpy.log(self._uniform(self.rbm.labels, step, 2)))
        return numpy.eye(self.rbm.labels)[(numpy.log(p) + gumbel).argmax(1)]


def chain(rbm, draws, h, steps, persistent):
    """v and y where `steps` steps from hidden states end, and the probabilities of hidden units there."""
    for step in range(steps):
        is_drawn = persistent or step + 1 < steps
        mean = rbm.visible_mean(h)
        v = draws.visible(mean, step) if is_drawn else mean
        y = None
        if rbm.labels:
            p = softmax(h @ rbm.values["label_weight"] + rbm.values["label_bias"])
            y = draws.label(p, step) if is_drawn else p
        p = sigmoid(rbm.hidden_input(v, y))
        if step + 1 < steps:
            h = draws.hidden(p, step + 1)
    return v, y, p


def statistics(v, y, h):
    """Minus the derivatives of the mean energy; of Gaussian visible biases without b, which cancels."""
    n = len(v)
    found = {"weight": h.T @ v / n, "visible_bias": v.mean(0), "hidden_bias": h.mean(0)}
    if y is not None:
        found |= {"label_weight": h.T @ y / n, "label_bias": y.mean(0)}
    return found


def divergence(rbm, draws, v, y, steps, kept, cost):
    """Gradients of an update by contrastive divergence and the chains' next states; `kept`: hidden states to continue from
    (PCD), or None."""
    driven = sigmoid(rbm.hidden_input(v, y))
    start = draws.hidden(driven, 0) if kept is None else kept
    end_v, end_y, end_h = chain(rbm, draws, start, steps, kept is not None)
    real, fake = statistics(v, y, driven), statistics(end_v, end_y, end_h)
    gradients = {name: fake[name] - real[name] for name in real}
    for name in ("weight", "label_weight"):
        if name in gradients:
            gradients[name] = gradients[name] + cost * rbm.values[name]
    after = None if kept is None else draws.hidden(end_h, steps)
    energies = rbm.free_energy(v, y).mean(), rbm.free_energy(end_v, end_y).mean()
    return gradients, after, energies
