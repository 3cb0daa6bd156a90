"""Trainings on fake GPUs (tests/fake_cuda) for tests of training, failures and inference."""

import json

import pytest
from program import BUILD, REPOSITORY, VALLEY, WAITING, Call, Program, launcher
from safetensors.numpy import load_file

RUN = REPOSITORY / "tests" / "fake_cuda" / "run"

needs_fake_gpus = pytest.mark.skipif(not (BUILD / "tests/fake_cuda/libvalley_fake_cuda.so").exists(), reason="a build without CUDA")

OBJECTIVES = {
    "began": (),
    "began_shared": ("train.schedule=shared",),
    "ebgan_pt": ("objective.name=ebgan", "model.name=ebgan", "objective.pulling_away=squared"),
    "magan": ("objective.name=magan", "model.name=magan", "objective.pretrain_epochs=1", "train.global_batch=16", "train.microbatch=8"),
    "ebm": ("objective.name=ebm", "model.name=ebm", "model.width=4", "objective.langevin_steps=4", "objective.replay_size=48",
            "objective.replay_restart=0.25"),
}
SMALL = ("train.device=cuda", "train.global_batch=4", "train.microbatch=2", "train.steps=12", "checkpoint.every=6", "evaluate.every=12",
         "evaluate.samples=10")


class FakeGpus(Program):
    """The program on fake GPUs, by default one per rank."""

    def __init__(self, folder, config, config_16):
        super().__init__(folder, config)
        self.config_16 = config_16

    def config_for(self, arguments):
        """BEGAN trains on 16x16 images, which take half the time; other networks need larger ones."""
        return self.config if any(word.startswith("model.") for word in arguments) else self.config_16

    def start(self, *arguments, ranks=None, gpus=None, variables=(), **settings):
        environment = [*variables, *(f"VALLEY_FAKE_{name.upper()}={value}" for name, value in settings.items())]
        return Call([*launcher(ranks), "env", f"VALLEY_BUILD={BUILD}", *environment, RUN, str(gpus or ranks or 1), VALLEY,
                     *map(str, arguments)], self.folder, WAITING)

    def start_training(self, ranks, *arguments, **settings):
        config = self.config_for([str(word) for word in arguments])
        return self.start("train", config, *SMALL, *arguments, "--out", self.out, ranks=ranks, **settings)

    def end(self):
        return json.loads((self.newest() / "exit.json").read_text())


def tensors(path):
    return {name: value.tobytes() for file in ("model.safetensors", "state.safetensors") for name, value in load_file(path / file).items()}
