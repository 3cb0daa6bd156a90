"""`valley infer` against enumeration, transfer matrices and solutions that are known, and rejected files."""

import itertools
import json

import numpy
import pytest
from program import DATA, MISSING, USAGE


def write_uai(path, states, factors):
    """`factors`: (scope, array with one axis per variable)."""
    lines = ["MARKOV", str(len(states)), " ".join(map(str, states)), str(len(factors))]
    lines += [" ".join(map(str, [len(scope), *scope])) for scope, _ in factors]
    for _, values in factors:
        lines += [str(values.size), " ".join(repr(float(value)) for value in values.ravel())]
    path.write_text("\n".join(lines) + "\n")
    return path


def joint(states, factors):
    """The product of all factors over all assignments."""
    product = numpy.ones(states)
    for scope, values in factors:
        order = numpy.argsort(scope)
        shape = [states[v] if v in scope else 1 for v in range(len(states))]
        product = product * numpy.transpose(values, order).reshape(shape)
    return product


def random_model(chance, variables, factors, arity):
    states = [int(n) for n in chance.integers(2, 4, variables)]
    made = []
    for _ in range(factors):
        scope = [int(v) for v in chance.choice(variables, arity, replace=False)]
        made.append((scope, chance.gamma(0.5, size=[states[v] for v in scope])))
    return states, made


def infer(program, *arguments, **options):
    return json.loads(program.call("infer", *arguments, "--json", **options).stdout)


@pytest.mark.parametrize("seed", range(4))
def test_results_equal_those_of_enumeration(program, tmp_path, seed):
    chance = numpy.random.default_rng(seed)
    states, factors = random_model(chance, 9, 12, 3)
    model = write_uai(tmp_path / "m.uai", states, factors)
    observed = {2: 1, 5: 0}
    (tmp_path / "m.evid").write_text("1 2 " + " ".join(f"{v} {s}" for v, s in observed.items()))
    for evidence in ({}, observed):
        table = joint(states, factors)
        for v, s in evidence.items():
            table = numpy.where((numpy.arange(states[v]) == s).reshape([-1 if u == v else 1 for u in range(9)]), table, 0)
        found = infer(program, model, "--marginals", *(["--evidence", tmp_path / "m.evid"] if evidence else []))
        assert found["is_exact"] and found["sums_exact"] and found["observed"] == len(evidence)
        assert tuple(found["values"]) == numpy.unravel_index(table.argmax(), states)
        assert numpy.isclose(found["energy"], -numpy.log(table.max()), atol=1e-10)
        assert numpy.isclose(found["log_z"], numpy.log(table.sum()), atol=1e-10)
        for v in range(9):
            expected = table.sum(axis=tuple(u for u in range(9) if u != v)) / table.sum()
            assert numpy.allclose(found["marginals"][v], expected, atol=1e-10)


def ising(side, coupling):
    factors = []
    pair = numpy.exp(coupling * numpy.array([[1, -1], [-1, 1]]))
    for row, column in itertools.product(range(side), repeat=2):
        v = side * row + column
        factors += [([v, v + 1], pair)] if column + 1 < side else []
        factors += [([v, v + side], pair)] if row + 1 < side else []
    return [2] * side * side, factors


def test_ising_grid_has_the_partition_function_of_transfer_matrices(program, tmp_path):
    side, coupling = 12, 0.4406868  # the critical one
    rows = numpy.array(list(itertools.product([-1, 1], repeat=side)))
    inside = numpy.exp(coupling * (rows[:, 1:] * rows[:, :-1]).sum(1))
    weights = inside.copy()
    log_z = 0.0
    for _ in range(side - 1):
        # Between two rows, spin by spin: exp(coupling * x * y).
        table = weights.reshape([2] * side)
        step = numpy.exp(coupling * numpy.array([[1, -1], [-1, 1]]))
        for axis in range(side):
            table = numpy.moveaxis(numpy.tensordot(step, table, axes=(1, axis)), 0, axis)
        weights = table.ravel() * inside
        log_z += numpy.log(weights.sum())
        weights /= weights.sum()
    found = infer(program, write_uai(tmp_path / "ising.uai", *ising(side, coupling)), "--marginals")
    assert found["sums_exact"] and found["width"] < 2 * side
    assert numpy.isclose(found["log_z"], log_z, rtol=1e-10)
    assert numpy.allclose(found["marginals"], 0.5, atol=1e-9)
    assert numpy.isclose(found["energy"], -coupling * 2 * side * (side - 1))


def test_wide_graph_is_solved_by_messages_and_that_is_reported(program, tmp_path):
    states, factors = ising(6, 0.2)
    fields = numpy.random.default_rng(0).gamma(2, size=[36, 2])
    model = write_uai(tmp_path / "ising.uai", states, factors + [([v], fields[v]) for v in range(36)])
    exact = infer(program, model, "--marginals")
    loopy = infer(program, model, "--marginals", "--max-states", 64)
    assert (exact["is_exact"], exact["sums_exact"], loopy["is_exact"], loopy["sums_exact"]) == (True, True, False, False)
    assert loopy["converged"] and loopy["sums_converged"] and loopy["sums_rounds"] > 1
    assert loopy["energy"] == pytest.approx(exact["energy"]) and loopy["log_z"] == pytest.approx(exact["log_z"], rel=0.01)
    text = program.call("infer", model, "--max-states", 64).stdout
    assert "not exact: messages in loops, converged after" in text
    assert "exact: variable elimination of width" in program.call("infer", model).stdout


def test_queens_are_placed(program, tmp_path):
    """Eight queens: hard constraints, one variable per row."""
    factors = []
    for a, b in itertools.combinations(range(8), 2):
        columns = numpy.arange(8)
        apart = numpy.abs(columns[:, None] - columns[None, :])
        factors.append(([a, b], ((apart != 0) & (apart != b - a)).astype(float)))
    found = infer(program, write_uai(tmp_path / "queens.uai", [8] * 8, factors), "--marginals")
    assert found["is_exact"] and found["energy"] == 0
    assert numpy.isclose(numpy.exp(found["log_z"]), 92)  # the number of solutions
    assert all(values[b] not in (values[a], values[a] + b - a, values[a] - b + a)
               for values in [found["values"]] for a, b in itertools.combinations(range(8), 2))


def test_solution_files_have_the_format_of_the_competitions(program, tmp_path):
    model = write_uai(tmp_path / "m.uai", [2, 3], [([1, 0], numpy.array([[1, 2], [5, 3], [0, 1]]))])
    program.call("infer", model, "-o", tmp_path / "m.MPE")
    assert (tmp_path / "m.MPE").read_text() == "MPE\n2 0 1\n"
    program.call("infer", model, "--marginals", "-o", tmp_path / "m.MAR")
    words = (tmp_path / "m.MAR").read_text().split()
    assert words[:3] == ["MAR", "2", "2"] and words[5] == "3"
    assert numpy.allclose([float(word) for word in words[3:5] + words[6:]], [0.5, 0.5, 0.25, 2 / 3, 1 / 12])


def test_rejected_arguments_and_files(program, tmp_path):
    model = write_uai(tmp_path / "m.uai", [2, 2], [([0, 1], numpy.array([[0, 0], [0, 1]]))])
    assert "extension .MPE" in program.call("infer", model, "-o", tmp_path / "m.txt", expect=USAGE).error
    assert "add --marginals" in program.call("infer", model, "-o", tmp_path / "m.MAR", expect=USAGE).error
    assert "--damping" in program.call("infer", model, "--damping", "1", expect=USAGE).error
    program.call("infer", tmp_path / "none.uai", expect=MISSING)
    (tmp_path / "m.evid").write_text("1 0 0")
    error = program.call("infer", model, "--evidence", tmp_path / "m.evid", expect=DATA).error
    assert f"{model}: every assignment with this evidence has probability 0" in error
    (tmp_path / "bad.uai").write_text("MARKOV\n1\n2\n1\n1 0\n2 0.5")
    assert f"{tmp_path}/bad.uai:6: the file ends before a value of factor 0" in program.call("infer", tmp_path / "bad.uai", expect=DATA).error
