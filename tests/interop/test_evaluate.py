"""`valley evaluate` compared with prdc, scikit-image, SciPy and evaluate_reference.py."""

import json

import evaluate_reference as reference
import h5py
import numpy
import prdc
import pytest
import torch
from skimage.metrics import structural_similarity
from valley_program import train, valley

SEED = 3
COUNT = 40


def build(folder, codepoints, resolution, channels):
    valley("shard", "build", "--source", "NotoColorEmoji.ttf", "--codepoints", codepoints, "--resolution", resolution,
           "--channels", channels, "--dest", folder, "--progress", "none")
    return folder


def images(folder):
    with h5py.File(folder / "index.h5") as index:
        pixels = index["images"][:]
    return pixels if pixels.ndim == 4 else pixels[..., None]


@pytest.fixture(scope="module", params=[(32, "rgb"), (28, "gray"), (20, "rgb")], ids=lambda p: f"{p[1]}-{p[0]}")
def case(request, tmp_path_factory):
    """The program's answer, and the three sets of images that it is about: samples, data, data for the floor."""
    folder = tmp_path_factory.mktemp("evaluate")
    data = build(folder / "data", "1F600-1F64F,1F910-1F92F", *request.param)
    samples = build(folder / "samples", "1F400-1F440", *request.param)
    network = folder / "network.pt"
    torch.jit.script(Features()).save(network)
    answer = json.loads(valley("evaluate", "--samples", samples, "--data", data, "--count", COUNT, "--seed", SEED,
                               "--inception", network, "--json"))
    all_data, all_samples = images(data), images(samples)
    chosen = reference.order(SEED, len(all_data))
    sets = (all_samples[reference.order(SEED, len(all_samples))[:COUNT]], all_data[chosen[:COUNT]],
            all_data[chosen[COUNT:2 * COUNT]])
    return answer, sets


class Features(torch.nn.Module):
    """A small network of the convention of StyleGAN's Inception: with return_features, features instead of scores."""

    def forward(self, images, return_features: bool = False):
        assert images.dtype == torch.uint8
        x = torch.nn.functional.adaptive_avg_pool2d(images.float() / 255, 2)
        x = torch.cat([x.flatten(1), (x * x).flatten(1)[:, :5]], 1)
        if return_features:
            return x
        return x[:, :3]


def columns(case, name):
    """(value, floor) as the program has them."""
    metric = case[0]["metrics"][name]
    return metric["value"], metric["floor"]


def test_samples_and_floor_have_equal_counts(case):
    answer, _ = case
    assert answer["samples"]["images"] == answer["data"]["compared"] == answer["data"]["floor"] == COUNT
    assert answer["seed"] == SEED


def test_swd_matches_reference(case):
    _, (samples, data, floor) = case
    side = data.shape[1]
    for which, column in enumerate((samples, floor)):
        levels = reference.sliced_wasserstein(column, data, SEED)
        while_halving = [side] + ([(side + 1) // 2] if side > 16 else [])
        for level, distance in zip(while_halving, levels, strict=True):
            assert columns(case, f"swd/{level}")[which] == pytest.approx(distance, rel=2e-4)
        assert columns(case, "swd")[which] == pytest.approx(numpy.mean(levels), rel=2e-4)


def test_ms_ssim_and_distance_match_reference(case):
    _, (samples, data, floor) = case
    chosen = reference.pairs(COUNT, SEED)
    assert (chosen[:, 0] != chosen[:, 1]).all() and chosen.min() == 0 and chosen.max() == 31
    # Only some hundreds of the 10,000 pairs differ.
    unique, number = numpy.unique(numpy.sort(chosen, 1), axis=0, return_counts=True)

    def mean(of_pair, pixels):
        return numpy.average([of_pair(pixels[i], pixels[j]) for i, j in unique], weights=number)

    def rms(a, b):
        return numpy.sqrt(((a.astype(float) - b)**2).mean()) / 255

    for which, column in enumerate((samples, floor)):
        assert columns(case, "ms_ssim")[which] == pytest.approx(mean(reference.ms_ssim, column), abs=1e-4)
        assert columns(case, "distance")[which] == pytest.approx(mean(rms, column), rel=1e-9)
        assert columns(case, "distance_ratio")[which] == pytest.approx(mean(rms, column) / mean(rms, data), rel=1e-9)


@pytest.mark.parametrize("case", [(20, "rgb")], indirect=True)
def test_ms_ssim_with_one_scale_matches_scikit_image(case):
    _, (samples, _, _) = case
    chosen = reference.pairs(COUNT, SEED)
    # SSIM can be negative, MS-SSIM cannot.
    known = {}
    for i, j in map(tuple, chosen):
        if (i, j) not in known:
            known[i, j] = max(0, structural_similarity(samples[i], samples[j], gaussian_weights=True, sigma=1.5,
                                                       use_sample_covariance=False, data_range=255, channel_axis=2))
    assert columns(case, "ms_ssim")[0] == pytest.approx(numpy.mean([known[i, j] for i, j in map(tuple, chosen)]), abs=1e-4)


def test_density_and_coverage_match_reference(case):
    _, sets = case
    samples, data, floor = map(reference.pixel_features, sets)
    for which, column in enumerate((samples, floor)):
        expected = prdc.compute_prdc(real_features=data, fake_features=column, nearest_k=5)
        for name in ("density", "coverage"):
            assert columns(case, name)[which] == pytest.approx(expected[name], abs=1e-9), name


def test_channel_statistics_match_numpy(case):
    _, (samples, _, floor) = case
    for which, column in enumerate((samples, floor)):
        for channel in range(column.shape[3]):
            values = column[..., channel] / 255
            assert columns(case, f"mean/{channel}")[which] == pytest.approx(values.mean(), rel=1e-9)
            assert columns(case, f"deviation/{channel}")[which] == pytest.approx(values.std(), rel=1e-9)


def test_fid_and_neighbors_of_network_match_reference(case):
    _, sets = case

    def features(pixels):
        rgb = numpy.broadcast_to(pixels, (*pixels.shape[:3], 3)).transpose(0, 3, 1, 2)
        return Features()(torch.from_numpy(rgb.copy()), return_features=True).numpy().astype(float)

    samples, data, floor = map(features, sets)
    for which, column in enumerate((samples, floor)):
        assert columns(case, "fid")[which] == pytest.approx(reference.frechet_distance(column, data), rel=1e-3, abs=1e-6)
        expected = prdc.compute_prdc(real_features=data, fake_features=column, nearest_k=5)
        for name in ("density", "coverage"):
            # Some features of gray images are equal, so rounding decides about a few balls.
            assert columns(case, f"{name}/network")[which] == pytest.approx(expected[name], abs=0.06), name


def test_pytorch_samples_match_valley_sample(tmp_path):
    from safetensors.numpy import load_file
    data = build(tmp_path / "data", "1F600-1F64F", 32, "rgb")
    run = train(tmp_path / "runs", data, "train.steps=2")
    answer = json.loads(valley("evaluate", run, "--data", data, "--json"))
    assert answer["samples"]["images"] == 40
    valley("sample", run, "--seeds", "0-39", "--save-latents", tmp_path / "s.safetensors", "-o", tmp_path / "x.png")
    drawn = load_file(tmp_path / "s.safetensors")["pixels"] / 255
    for channel in range(3):
        assert answer["metrics"][f"mean/{channel}"]["value"] == pytest.approx(drawn[..., channel].mean(), abs=1e-4)
        assert answer["metrics"][f"deviation/{channel}"]["value"] == pytest.approx(drawn[..., channel].std(), abs=1e-4)
