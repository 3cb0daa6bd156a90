"""Every training step of a deep belief network, in all stages, compared with NumPy (contrastive divergence) and PyTorch
(fine-tuning); free energies, hidden units and pseudo-likelihood compared with scikit-learn's BernoulliRBM."""

import dataclasses

import dumped_training as dumped
import numpy
import pytest
import rbm_reference as reference
import torch
from sklearn.neural_network import BernoulliRBM

SIZE, BATCH, PASS = 16, 8, 4
LAYERS = (12, 9)
CLASSES = 3
SEED = 17
COST = 0.01
RATE, TUNE_RATE = 0.1, 0.05
# One step per epoch: measure, two per RBM (the first with less momentum), two of fine-tuning.
STEPS = 1 + 2 * 2 + 2
TOLERANCE = 2e-4


@dataclasses.dataclass(frozen=True)
class Case:
    gibbs: int = 1
    persistent: bool = False
    label_units: bool = False
    units: str = "bernoulli"
    rate: float = RATE


CASES = {
    "cd1": Case(),
    "cd3-labels": Case(gibbs=3, label_units=True),
    "pcd": Case(persistent=True),
    "pcd2-labels": Case(gibbs=2, persistent=True, label_units=True),
    "gaussian-cd1": Case(units="gaussian", rate=0.001),
    "gaussian-pcd": Case(gibbs=2, persistent=True, units="gaussian", rate=0.001),
}


def config(case):
    return f"""
[model]
name = "dbn"
resolution = {SIZE}
channels = 1
layers = {list(LAYERS)}
labels = {CLASSES}
label_units = {str(case.label_units).lower()}
visible_units = "{case.units}"
initial_weights = "xavier"
[objective]
name = "dbn"
gibbs_steps = {case.gibbs}
persistent_chains = {str(case.persistent).lower()}
weight_cost = {COST}
pretrain_epochs = 2
momentum_epochs = 1
fine_tune_epochs = 2
fine_tune_lr = {TUNE_RATE}
[train]
global_batch = {BATCH}
microbatch = {PASS}
seed = {SEED}
report_every = 1
[optimizer]
lr = {case.rate}
"""


def labels():
    return torch.arange(BATCH * STEPS).view(STEPS, BATCH) % CLASSES


def train(folder, case):
    images = dumped.random_images(STEPS, SIZE, 1, BATCH)
    return images, dumped.dump(folder, config(case), images, BATCH, labels=labels())


class Follower:
    """What training has after each step, taken from the dump, and what it should have after the next."""

    def __init__(self, ours, images, case):
        self.ours, self.case = ours, case
        self.pixels = images.double().numpy().reshape(STEPS, BATCH, -1) / 255  # one channel: H, W is the order

    def values(self, step, network):
        """Of a network before `step`."""
        prefix = f"{step - 1}.value.{network}." if step > 0 else f"start.{network}."
        return {name: value.double().numpy() for name, value in dumped.part_of(self.ours, prefix).items()}

    def machine(self, step, level):
        values = {n: v for n, v in self.values(step, f"layers.{level}").items() if not n.startswith("pixel")}
        return reference.Rbm(values, level == 0 and self.case.units == "gaussian")

    def seen(self, step, level):
        """v and y of machine `level`."""
        v = self.pixels[step]
        if self.case.units == "gaussian":
            kept = self.values(step, "layers.0")
            deviation = numpy.sqrt(numpy.maximum(kept["pixel_square"] - kept["pixel_mean"]**2, 0.05**2))
            v = (v - kept["pixel_mean"]) / deviation
        for below in range(level):
            v = reference.sigmoid(self.machine(step, below).hidden_input(v))
        has_labels = self.case.label_units and level == len(LAYERS) - 1
        return v, numpy.eye(CLASSES)[labels()[step]] if has_labels else None

    def kept_chains(self, step, level):
        if not self.case.persistent:
            return None
        return self.ours[f"{step - 1}.objective.chains.{level}"].double().numpy().reshape(BATCH, -1)


def near(tag, got, expected, tolerance=TOLERANCE):
    dumped.check(tag, torch.as_tensor(got).double(), torch.as_tensor(expected).double(), tolerance)


def follow_layers(ours, images, case):
    """Repeats the steps of both RBMs; `case` may differ from the trained one."""
    follower = Follower(ours, images, case)
    for level in range(len(LAYERS)):
        velocity = None
        for momentum, step in ((0.5, 1 + 2 * level), (0.9, 2 + 2 * level)):
            rbm = follower.machine(step, level)
            draws = reference.Draws(rbm, SEED, step * BATCH + numpy.arange(BATCH))
            v, y = follower.seen(step, level)
            gradients, after, energies = reference.divergence(rbm, draws, v, y, case.gibbs,
                                                              follower.kept_chains(step, level), COST)
            velocity = gradients if velocity is None else {n: momentum * velocity[n] + g for n, g in gradients.items()}
            now = follower.values(step + 1, f"layers.{level}")
            for name, gradient in gradients.items():
                tag = f"step {step}, layers.{level}.{name}"
                near(f"{tag}, gradient", ours[f"{step}.gradient.layers.{level}.{name}"], gradient)
                near(tag, now[name], rbm.values[name] - case.rate * velocity[name])
            if after is not None:
                assert numpy.array_equal(follower.kept_chains(step + 1, level), after), f"chains after step {step}"
            for name, value in zip(("energy/real", "energy/fake"), energies):
                assert ours[f"{step}.{name}"].item() == pytest.approx(value, rel=1e-4), (step, name)
    return follower


@pytest.mark.parametrize("name", CASES)
def test_rbm_training_matches_numpy(tmp_path, name):
    images, ours = train(tmp_path, CASES[name])
    follow_layers(ours, images, CASES[name])


def test_comparison_detects_a_wrong_reference(tmp_path):
    """Another k, chains from the data or missing labels must exceed the tolerances."""
    case = CASES["pcd2-labels"]
    images, ours = train(tmp_path, case)
    for change in ({"gibbs": 1}, {"persistent": False}, {"label_units": False}):
        with pytest.raises(AssertionError):
            follow_layers(ours, images, dataclasses.replace(case, **change))


def torch_scores(parameters, v, label_units):
    """log P(y | x), unnormalized, of the whole stack."""
    top = len(LAYERS) - 1
    for level in range(top):
        v = torch.sigmoid(v @ parameters[f"layers.{level}.weight"].T + parameters[f"layers.{level}.hidden_bias"])
    x = v @ parameters[f"layers.{top}.weight"].T + parameters[f"layers.{top}.hidden_bias"]
    if not label_units:
        return torch.sigmoid(x) @ parameters["output.weight"].T + parameters["output.bias"]
    each = x[:, None, :] + parameters[f"layers.{top}.label_weight"].T[None]
    return torch.nn.functional.softplus(each).sum(2) + parameters[f"layers.{top}.label_bias"]


@pytest.mark.parametrize("name", ["cd1", "cd3-labels", "gaussian-cd1"])
def test_fine_tuning_matches_back_propagation(tmp_path, name):
    images, ours = train(tmp_path, CASES[name])
    follower = Follower(ours, images, CASES[name])
    first = STEPS - 2
    before = dumped.part_of(ours, f"{first - 1}.value.")
    parameters = {n: v.double().requires_grad_() for n, v in before.items() if ".pixel_" not in n}
    optimizer = torch.optim.SGD(parameters.values(), lr=TUNE_RATE, momentum=0.9)
    for step in (first, first + 1):
        v = torch.as_tensor(follower.seen(step, 0)[0])
        scores = torch_scores(parameters, v, CASES[name].label_units)
        loss = torch.nn.functional.cross_entropy(scores, labels()[step])
        optimizer.zero_grad()
        loss.backward()
        assert ours[f"{step}.loss/classes"].item() == pytest.approx(loss.item(), rel=1e-4)
        wrong = (scores.argmax(1) != labels()[step]).double().mean().item()
        assert ours[f"{step}.error/batch"].item() == pytest.approx(wrong)
        for n, p in parameters.items():
            if p.grad is not None:
                near(f"step {step}, gradient of {n}", ours[f"{step}.gradient.{n}"], p.grad)
        optimizer.step()
        for n, p in parameters.items():
            near(f"step {step}, {n}", ours[f"{step}.value.{n}"], p.detach())


class Units:
    """Stands for scikit-learn's random numbers: the units that Valley has looked at."""

    def __init__(self, units):
        self.units = units

    def randint(self, low, high, size):
        assert (low, high, size) == (0, SIZE * SIZE, len(self.units))
        return self.units


@pytest.mark.parametrize("name", ["cd1", "pcd"])
def test_rbm_matches_scikit_learn(tmp_path, monkeypatch, name):
    images, ours = train(tmp_path, CASES[name])
    follower = Follower(ours, images, CASES[name])
    for step in (1, 2):
        values = follower.values(step + 1, "layers.0")
        peer = BernoulliRBM(n_components=LAYERS[0])
        peer.components_ = values["weight"]
        peer.intercept_hidden_, peer.intercept_visible_ = values["hidden_bias"], values["visible_bias"]
        peer.n_features_in_ = SIZE * SIZE
        v = follower.pixels[step]
        near("free energy", ours[f"{step}.measure.free_energy"], peer._free_energy(v), 1e-5)
        h = peer.transform(v)
        again = reference.sigmoid(h @ values["weight"] + values["visible_bias"])
        near("reconstruction", ours[f"{step}.measure.reconstruction_error"], ((again - v)**2).mean(1), 1e-5)
        drawn = reference.uniforms(SEED, reference.MEASURE, numpy.arange(BATCH), 1)[:, 0]
        units = numpy.floor(drawn * SIZE * SIZE).astype(int)
        monkeypatch.setattr("sklearn.neural_network._rbm.check_random_state", lambda _: Units(units))
        # A difference of two energies of hundreds, times hundreds of units.
        near("pseudo-likelihood", ours[f"{step}.measure.pseudo_likelihood"], peer.score_samples(v), 1e-3)


def test_predicted_label_has_lowest_free_energy(tmp_path):
    images, ours = train(tmp_path, CASES["cd3-labels"])
    follower = Follower(ours, images, CASES["cd3-labels"])
    step = STEPS - 3  # the last step of the top RBM
    rbm = follower.machine(step + 1, 1)
    v = reference.sigmoid(follower.machine(step + 1, 0).hidden_input(follower.pixels[step]))
    energies = numpy.stack([rbm.free_energy(v, numpy.tile(y, (BATCH, 1))) for y in numpy.eye(CLASSES)], 1)
    wrong = energies.argmin(1) != labels()[step].numpy()
    assert numpy.array_equal(ours[f"{step}.measure.error"].numpy() > 0.5, wrong)
