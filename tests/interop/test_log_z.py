"""log Z and log p(x) of `valley energy --log-z` compared with NumPy: sums over all states, and annealed importance
sampling."""

import itertools
import json

import h5py
import numpy
import pytest
from PIL import Image
from safetensors.numpy import load_file
from scipy.special import expit, logsumexp
from valley_program import valley

SIDE, IMAGES = 16, 40


def softplus(x):
    return numpy.logaddexp(0, x)


def draw(i, rng):
    """Black and white: the pixels are binary units."""
    picture = numpy.zeros((SIDE, SIDE), numpy.uint8)
    picture[:, rng.integers(2, 12):][:, :3] = 255
    if i % 2:
        picture = picture.T
    return picture ^ (255 * (rng.random((SIDE, SIDE)) < 0.02)).astype(numpy.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log-z")
    rng = numpy.random.default_rng(0)
    for i in range(IMAGES):
        name = folder / "images" / ("rows" if i % 2 else "columns") / f"{i:02}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw(i, rng)).save(name)
    valley("shard", "build", "--source", folder / "images", "--resolution", SIDE, "--channels", "gray", "--dest",
           folder / "shards", "--jobs", 1, "--progress", "none")
    return folder / "shards"


def trained(folder, data, layers, *keys):
    config = folder / "dbn.toml"
    config.write_text("")
    valley("train", config, "model.name=dbn", "objective.name=dbn", f"data.path={data}", f"model.resolution={SIDE}",
           "model.channels=1", f"model.layers={layers}", "objective.pretrain_epochs=30", "train.global_batch=10",
           "optimizer.lr=0.05", "train.threads=1", "train.device=cpu", "train.seed=1", "samples.grid=2x2", "--out",
           folder / "runs", *keys)
    run = max((folder / "runs").iterdir())
    file = next(run.glob("checkpoints/*/model.safetensors"))
    return run, {name: value.astype(float) for name, value in load_file(file).items()}


def log_z(run, data, *options):
    return json.loads(valley("energy", run, "--data", data, "--log-z", "--json", "--device", "cpu", *options))


def pixels_of(data):
    with h5py.File(data / "shard-00000.h5") as shard:
        return shard["images"][:].reshape(IMAGES, -1) / 255.0


def states(n):
    return numpy.array(list(itertools.product((0.0, 1.0), repeat=n)))


def enumerated(w, b, c, u, d):
    h = states(len(c))
    return logsumexp(h @ c + softplus(b + h @ w).sum(1) + logsumexp(d + h @ u, axis=1))


def annealed(w, b, c, u, d, base, temperatures, chains, rng):
    """log Z and its standard error."""
    labels = len(d)

    def log_p(v, y, t):
        return v @ ((1 - t) * base + t * b) + t * d[y] + softplus(t * (v @ w.T + c + u.T[y])).sum(1)

    v = (rng.random((chains, len(b))) < expit(base)).astype(float)
    y = rng.integers(labels, size=chains)
    weights = numpy.zeros(chains)
    for before, now in itertools.pairwise(temperatures):
        weights += log_p(v, y, now) - log_p(v, y, before)
        h = (rng.random((chains, len(c))) < expit(now * (v @ w.T + c + u.T[y]))).astype(float)
        v = (rng.random(v.shape) < expit((1 - now) * base + now * (b + h @ w))).astype(float)
        y = numpy.argmax(now * (d + h @ u) + rng.gumbel(size=(chains, labels)), axis=1)
    log_base = softplus(base).sum() + len(c) * numpy.log(2) + numpy.log(labels)
    z = numpy.exp(weights - weights.max())
    return log_base + weights.max() + numpy.log(z.mean()), z.std(ddof=1) / z.mean() / numpy.sqrt(chains)


def parts(tensors, level=0, labels=0):
    w, b, c = (tensors[f"layers.{level}.{name}"] for name in ("weight", "visible_bias", "hidden_bias"))
    if labels == 0:
        return w, b, c, numpy.zeros((len(c), 1)), numpy.zeros(1)
    return w, b, c, tensors[f"layers.{level}.label_weight"], tensors[f"layers.{level}.label_bias"]


def free_energy(v, w, b, c, u, d):
    of_labels = v @ b + d[:, None] + softplus(v @ w.T + c + u.T[:, None]).sum(2)
    return -logsumexp(of_labels, axis=0)


def test_log_z_of_small_rbm_is_enumerated(tmp_path, data):
    run, tensors = trained(tmp_path, data, "[12]", "model.labels=2", "model.label_units=true")
    rbm = parts(tensors, labels=2)
    found = log_z(run, data)
    assert found["log_z_chains"] == 0 and found["log_z_stderr"] == 0
    assert found["log_z"] == pytest.approx(enumerated(*rbm), rel=1e-6)
    likelihood = -free_energy(pixels_of(data), *rbm).mean() - found["log_z"]
    assert found["log_likelihood"] == pytest.approx(likelihood, rel=1e-5)
    assert found["log_likelihood"] < 0
    assert found["log_likelihood"] == pytest.approx(-found["data"]["mean"] - found["log_z"], rel=1e-5)


def test_log_z_of_gaussian_rbm_is_exact(tmp_path, data):
    run, tensors = trained(tmp_path, data, "[10]", "model.visible_units=gaussian", "optimizer.lr=0.001")
    w, b, c, _, _ = parts(tensors)
    h = states(10)
    means = b + h @ w
    expected = logsumexp(h @ c + (means**2 - b**2).sum(1) / 2) + len(b) / 2 * numpy.log(2 * numpy.pi)
    found = log_z(run, data)
    assert found["log_z"] == pytest.approx(expected, rel=1e-6)
    variance = tensors["layers.0.pixel_square"] - tensors["layers.0.pixel_mean"]**2
    v = (pixels_of(data) - tensors["layers.0.pixel_mean"]) / numpy.maximum(numpy.sqrt(variance), 0.05)
    log_p = -((v - b)**2).sum(1) / 2 + softplus(v @ w.T + c).sum(1) - expected
    assert found["log_likelihood"] == pytest.approx(log_p.mean(), rel=1e-4)


def test_log_z_of_larger_rbm_matches_numpy_annealing(tmp_path, data):
    run, tensors = trained(tmp_path, data, "[24]", "model.labels=2", "model.label_units=true")
    rbm = parts(tensors, labels=2)
    found = log_z(run, data, "--ais-temperatures", 4000, "--ais-chains", 100)
    assert found["log_z_chains"] == 100
    mean = numpy.clip(tensors["layers.0.pixel_mean"], 0.01, 0.99)
    base = numpy.log(mean / (1 - mean))
    value, error = annealed(*rbm, base, numpy.linspace(0, 1, 1500), 200, numpy.random.default_rng(3))
    assert found["log_z"] == pytest.approx(value, abs=3 * numpy.hypot(error, found["log_z_stderr"]))
    assert error < 0.5 and found["log_z_stderr"] < 0.5
    likelihood = -free_energy(pixels_of(data), *rbm).mean() - found["log_z"]
    assert found["log_likelihood"] == pytest.approx(likelihood, rel=1e-5)


def test_bound_of_two_layers_is_below_the_likelihood(tmp_path, data):
    """By enumeration of all hidden states: log p(x) of the first rbm's conditionals and the second's density."""
    run, tensors = trained(tmp_path, data, "[8, 7]")
    w, b, _, _, _ = parts(tensors)
    top = parts(tensors, 1)
    found = log_z(run, data)
    h = states(8)
    prior = -free_energy(h, *top) - enumerated(*top)
    assert logsumexp(prior) == pytest.approx(0, abs=1e-6)
    x = pixels_of(data)
    inputs = b + h @ w
    conditional = x @ inputs.T - softplus(inputs).sum(1)
    exact = logsumexp(conditional + prior, axis=1).mean()
    q_input = x @ w.T + tensors["layers.0.hidden_bias"]
    log_q = q_input @ h.T - softplus(q_input).sum(1)[:, None]
    bound = (numpy.exp(log_q) * (conditional + prior - log_q)).sum(1)
    assert bound.mean() <= exact
    # The mean over all hidden states is estimated with ten samples per image.
    spread = numpy.sqrt((numpy.exp(log_q) * (conditional + prior)**2).sum(1)
                        - (numpy.exp(log_q) * (conditional + prior)).sum(1)**2)
    error = numpy.sqrt((spread**2).sum() / 10) / IMAGES
    assert found["log_likelihood_bound"] == pytest.approx(bound.mean(), abs=4 * error + 1e-4)
