"""Valley's optimizers and schedules compared with PyTorch: with the recorded gradients of a training they must give its
parameters after each step. Moments without bias correction, which PyTorch lacks, are compared with the formula in double
precision."""

import pytest
import torch

from dumped_training import dump, random_images

STEPS = 6
RATE = 1e-2
BETAS = (0.5, 0.9)  # a short memory, so that six steps show how it fades
EPSILON = 1e-4  # large beside many gradients: where it stands shows
TOLERANCE = 2e-4  # of each tensor's largest change, beyond the rounding of its numbers to float32 in each step
ROUNDING = 2.0**-24


CONFIG = f"""
[model]
resolution = 32
width = 4
latent = 5
hidden = 6
[objective]
lambda_k = 0.1
[train]
global_batch = 4
seed = 17
[optimizer]
lr = {RATE}
lr_schedule = "constant"
"""


def train(folder, *overrides):
    return dump(folder, CONFIG, random_images(STEPS, 32, 3), overrides=overrides)


class Formula(torch.optim.Optimizer):
    """Adam and Adamax without bias correction: Adamax as in the MAGAN authors' code."""

    def __init__(self, parameters, name, lr):
        super().__init__(parameters, {"lr": lr})
        self.name = name

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                g = p.grad
                m = state["m"] = BETAS[0] * state.get("m", 0) + (1 - BETAS[0]) * g
                if self.name == "adam":
                    v = state["v"] = BETAS[1] * state.get("v", torch.zeros_like(g)) + (1 - BETAS[1]) * g * g
                    below = v.sqrt() + EPSILON
                else:
                    below = state["u"] = torch.maximum(BETAS[1] * state.get("u", torch.zeros_like(g)) + EPSILON, g.abs())
                p.data -= group["lr"] * m / below


ADAM_LIKE = f"optimizer.beta1={BETAS[0]}", f"optimizer.beta2={BETAS[1]}", f"optimizer.epsilon={EPSILON}"
CASES = {
    "adam": (("optimizer.name=adam", *ADAM_LIKE), lambda p: torch.optim.Adam(p, RATE, BETAS, EPSILON)),
    "adamax": (("optimizer.name=adamax", *ADAM_LIKE), lambda p: torch.optim.Adamax(p, RATE, BETAS, EPSILON)),
    "sgd": (("optimizer.name=sgd",), lambda p: torch.optim.SGD(p, RATE)),
    "momentum": (("optimizer.name=sgd", "optimizer.momentum=0.9"), lambda p: torch.optim.SGD(p, RATE, momentum=0.9)),
    "plain adam": (("optimizer.name=adam", *ADAM_LIKE, "optimizer.bias_correction=false"), lambda p: Formula(p, "adam", RATE)),
    "plain adamax": (("optimizer.name=adamax", *ADAM_LIKE, "optimizer.bias_correction=false"),
                     lambda p: Formula(p, "adamax", RATE)),
}


def farthest(ours, make_optimizer, scale_of_generator=1, schedule=None):
    """The largest difference between ours and PyTorch's parameters, in shares of each tensor's largest change."""
    parameters = {name.removeprefix("start."): torch.nn.Parameter(tensor.double()) for name, tensor in ours.items()
                  if name.startswith(("start.generator.", "start.discriminator."))}
    assert len(parameters) > 20
    optimizer = make_optimizer([{"params": [p for n, p in parameters.items() if n.startswith("discriminator.")]},
                                {"params": [p for n, p in parameters.items() if n.startswith("generator.")]}])
    optimizer.param_groups[1]["lr"] *= scale_of_generator
    scheduler = schedule(optimizer) if schedule else None
    worst = 0.0
    for step in range(STEPS):
        for name, p in parameters.items():
            p.grad = ours[f"{step}.gradient.{name}"].double()
        optimizer.step()
        if scheduler:
            scheduler.step()
        for group, name in zip(optimizer.param_groups, "DG"):
            assert ours[f"{step}.lr/{name}"].item() == pytest.approx(group["lr"], rel=1e-12)
        for name, p in parameters.items():
            change = (p.detach() - ours[f"start.{name}"].double()).abs().max().item()
            difference = (ours[f"{step}.value.{name}"].double() - p.detach()).abs().max().item()
            rounding = (step + 1) * ROUNDING * p.detach().abs().max().item()
            worst = max(worst, (difference - rounding) / (change + 1e-12))
    return worst


@pytest.mark.parametrize("case", CASES)
def test_six_steps_match_pytorch(tmp_path, case):
    overrides, make = CASES[case]
    ours = train(tmp_path, *overrides)
    assert farthest(ours, make) < TOLERANCE
    # No other rule passes the comparison.
    for other in CASES.keys() - {case}:
        assert farthest(ours, CASES[other][1]) > 10 * TOLERANCE, other


def test_stepped_learning_rates_match_pytorch(tmp_path):
    ours = train(tmp_path, *CASES["adam"][0], "optimizer.lr_schedule=step", "optimizer.step_every=2",
                 "optimizer.step_factor=0.3", "optimizer.generator_lr_scale=0.5")
    assert farthest(ours, CASES["adam"][1], 0.5, lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.3)) < TOLERANCE


def test_linear_decay_after_a_warm_up_matches_pytorch(tmp_path):
    ours = train(tmp_path, *CASES["adam"][0], "optimizer.lr_schedule=linear", "optimizer.warmup_steps=2", "optimizer.decay_steps=5",
                 "optimizer.final_lr=0.1")

    def schedule(optimizer):
        warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, 1, 1)
        decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.1, 3)
        return torch.optim.lr_scheduler.SequentialLR(optimizer, [warm_up, decay], [2])

    assert farthest(ours, CASES["adam"][1], 1, schedule) < TOLERANCE


def test_cosine_decay_over_the_run_matches_pytorch(tmp_path):
    ours = train(tmp_path, *CASES["adam"][0], "optimizer.lr_schedule=cosine", f"train.steps={STEPS}", "optimizer.final_lr=0.25")

    def schedule(optimizer):
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS, RATE / 4)

    assert farthest(ours, CASES["adam"][1], 1, schedule) < TOLERANCE


def test_weight_decay_of_adam_is_adamw(tmp_path):
    ours = train(tmp_path, *CASES["adam"][0], "optimizer.weight_decay=0.3")

    def adamw(decays_biases):
        def make(groups):
            split = []
            for group in groups:
                weights = [p for p in group["params"] if p.dim() > 1]
                others = [p for p in group["params"] if p.dim() <= 1]
                split += [{"params": weights, "weight_decay": 0.3}, {"params": others, "weight_decay": 0.3 if decays_biases else 0.0}]
            optimizer = torch.optim.AdamW(split, RATE, BETAS, EPSILON)
            optimizer.param_groups[1], optimizer.param_groups[2] = optimizer.param_groups[2], optimizer.param_groups[1]
            return optimizer
        return make

    assert farthest(ours, adamw(False)) < TOLERANCE
    assert farthest(ours, CASES["adam"][1]) > 10 * TOLERANCE
    assert farthest(ours, lambda p: torch.optim.Adam(p, RATE, BETAS, EPSILON, weight_decay=0.3)) > 10 * TOLERANCE
