"""The derived groups: the published table, and independent numerical tests of every row."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import sympy

import theory
from numerics import compile_activation
from theory import InputError
from theory.symmetry.enclosure import enclose, sign_of
from theory.symmetry.homogeneity import scalar_symmetry

ROWS = {
    "GL": ["linear"],
    "R+ wr S": ["abs", "leaky_relu", "relu"],
    "B": ["hardtanh", "softshrink", "hardshrink", "sign", "tanh", "tanhshrink", "softsign", "arctan", "erf", "sin"],
    "S": [
        "relu6",
        "hardsigmoid",
        "hardswish",
        "heaviside",
        "sigmoid",
        "logsigmoid",
        "softplus",
        "silu",
        "mish",
        "gelu",
        "gelu_tanh",
        "elu",
        "selu",
        "celu",
        "cos",
        "exp",
        "gaussian",
        "snake",
        "softmax",
        "solu",
    ],
    "O": ["isotropic_tanh", "isotropic_relu"],
}
TABLE = {name: key for key, names in ROWS.items() for name in names}
FORMULAS = {
    "z**2": ("S", "R* wr S"),
    "z**3": ("B", "R* wr S"),
    "max(0, z)**2": ("S", "R+ wr S"),
    "z*abs(z)": ("B", "R* wr S"),
    "2*z + 1": ("Stab1", "Stab1"),
    "z - z + 1": ("Stab1", "GL"),
    "0*z": ("GL", "GL"),
    "relu(z - 1)": ("S", "S"),
    "softplus(z) - softplus(-z)": ("GL", "GL"),
    "max(0, z - 1000)": ("S", "S"),
    "z**3 + z**2/10**30": ("S", "S"),
    "where(z > 0, 2, -3)": ("S", "R+ wr S"),
    "abs(z)**1.5": ("S", "R* wr S"),
    "sigmoid(z) - 1/2": ("B", "B"),
    "max(-1, min(1, z)) + z": ("B", "B"),
    "3*max(0, z) - 2*max(0, -z)": ("R+ wr S", "R+ wr S"),
}


def test_the_table_covers_the_registry() -> None:
    assert set(TABLE) == set(theory.activation_names())


@pytest.mark.parametrize("name", sorted(TABLE))
@pytest.mark.parametrize("n", [2, 3])
def test_registered_activations(name: str, n: int) -> None:
    found = theory.equivariance_group(name, n)
    assert (found.key, found.status) == (TABLE[name], "proved")
    assert found.proof
    assert (
        found.order
        == {
            "GL": sympy.oo,
            "R+ wr S": sympy.oo,
            "B": 2**n * sympy.factorial(n),
            "S": sympy.factorial(n),
            "O": sympy.oo,
        }[found.key]
    )


@pytest.mark.parametrize("text", sorted(FORMULAS))
def test_formulas(text: str) -> None:
    group_key, intertwiner_key = FORMULAS[text]
    assert theory.equivariance_group(text, 3).key == group_key
    assert theory.equivariance_group(text, 3).status == "proved"
    assert theory.intertwiner(text, 3).group.key == intertwiner_key


SIGNED = [
    np.array([[s[j] if o[j] == i else 0.0 for j in range(3)] for i in range(3)])
    for o, s in product(permutations(range(3)), product((1, -1), repeat=3))
]


def commutes(function: object, A: np.ndarray, points: np.ndarray) -> bool:
    left, right = function(points @ A.T), function(points) @ A.T  # type: ignore[operator]
    return bool(np.allclose(left, right, rtol=1e-9, atol=1e-9))


@pytest.mark.parametrize("name", sorted(TABLE))
def test_all_signed_permutations_and_scalings_numerically(name: str) -> None:
    """Independent of the derivation: each element commutes in floats exactly if the derived group holds it."""
    function = compile_activation(theory.activation(name))
    found = theory.equivariance_group(name, 3)
    points = np.random.default_rng(0).standard_normal((200, 3)) * np.geomspace(0.1, 30, 200)[:, None]
    for A in SIGNED:
        assert commutes(function, A, points) == found.contains(A), (name, A)
    for A in (np.diag([2.0, 1, 0.5]), 2 * np.eye(3), np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]])):
        assert commutes(function, A, points) == found.contains(A), (name, A)


@pytest.mark.parametrize(
    "name", ["linear", "relu", "leaky_relu", "abs", "tanh", "gelu", "cos", "solu", "isotropic_tanh", "softmax"]
)
@pytest.mark.parametrize("n", [2, 3])
def test_lie_dimension_is_the_null_space_of_the_linearised_condition(name: str, n: int) -> None:
    """Df(x) X x = X f(x) for all x, as a linear system in X: central differences and a singular value gap."""
    function = compile_activation(theory.activation(name))
    rng = np.random.default_rng(0)
    rows = []
    for x in rng.standard_normal((60, n)) * np.exp(rng.uniform(-1, 1.5, (60, 1))):
        step = 1e-5
        jacobian = np.array([(function(x + step * e) - function(x - step * e)) / (2 * step) for e in np.eye(n)]).T
        value = function(x)
        for i in range(n):
            row = np.einsum("k,l->kl", jacobian[i], x)
            row[i] -= value
            rows.append(row.ravel())
    singular = np.linalg.svd(np.array(rows), compute_uv=False)
    assert (singular < 1e-6 * max(1.0, singular[0])).sum() == theory.equivariance_group(name, n).dimension


@pytest.mark.parametrize("text", [*sorted(FORMULAS), "relu", "tanh", "gaussian", "sin"])
def test_intertwiners_intertwine(text: str) -> None:
    found = theory.intertwiner(text, 2)
    function = compile_activation(theory.activation(text))
    points = np.random.default_rng(0).standard_normal((50, 2)) * 3
    for A in found.group.generators():
        B = np.array(found.phi(sympy.Matrix(A)).tolist(), dtype=float)
        moved = function(points @ np.array(A.tolist(), dtype=float).T)
        assert np.allclose(moved, function(points) @ B.T, rtol=1e-9, atol=1e-9), (text, A)


def test_intertwiners_of_radial_powers() -> None:
    found = theory.intertwiner(theory.isotropic("r**2"), 2)
    assert found.group.key == "CO"
    assert found.phi([[0, -3], [3, 0]]) == sympy.Matrix([[0, -9], [9, 0]])
    with pytest.raises(InputError, match="not in"):
        found.phi([[1, 1], [0, 1]])
    with pytest.raises(InputError, match="exact"):
        found.phi(np.eye(2))


def test_what_is_open_stays_open() -> None:
    log_periodic = theory.activation(
        sympy.Symbol("z", real=True)
        * (2 + sympy.sin(sympy.log(sympy.Abs(sympy.Symbol("z", real=True)) + sympy.Rational(1, 10))))
    )
    assert theory.equivariance_group(log_periodic, 2).status in ("proved", "open")
    periodic = theory.Activation("periodic", _log_periodic())
    found = theory.equivariance_group(periodic, 2)
    assert found.status == "open"
    assert "l^Z" in " ".join(found.proof)


def _log_periodic() -> sympy.Expr:
    z = theory.activation("linear").expr
    size = sympy.log(sympy.Abs(z)) * 2 * sympy.pi / sympy.log(2)
    return sympy.Piecewise((z * (2 + sympy.sin(size)), sympy.Abs(z) > 0), (0, True))


def test_the_log_periodic_map_really_has_a_discrete_scaling() -> None:
    """Why "open" is right: f(2x) = 2 f(x) although f is not homogeneous."""
    function = compile_activation(theory.Activation("periodic", _log_periodic()))
    x = np.linspace(-3, 3, 41)
    assert np.allclose(function(2 * x), 2 * function(x))
    assert not np.allclose(function(1.5 * x), 1.5 * function(x))


def test_one_dimension() -> None:
    assert theory.equivariance_group("solu", 1).key == "GL"
    assert theory.equivariance_group("isotropic:tanh", 1) == theory.group("B", 1)
    assert theory.equivariance_group("relu", 1).dimension == 1


def test_symbolic_parameters_name_their_exceptions() -> None:
    slope, exponent = sympy.Symbol("s", real=True), sympy.Symbol("a", positive=True)
    leaky = scalar_symmetry(theory.leaky_relu(slope))
    assert leaky.homogeneous == "R>0"
    assert "linear where s = 1" in leaky.reasons[-1]
    power = scalar_symmetry(theory.rectified_power(exponent))
    assert (power.homogeneous, power.multipliers) == ("1", "R>0")
    assert "degree one where a = 1" in power.reasons[-1]
    k = sympy.Symbol("k", integer=True, positive=True)
    assert scalar_symmetry(theory.power(k)).homogeneous is None
    even = sympy.Symbol("k", even=True, positive=True)
    assert scalar_symmetry(theory.power(even)).homogeneous == "1"


@pytest.mark.parametrize("name", [n for n in theory.activation_names() if theory.activation(n).is_elementwise])
@pytest.mark.parametrize("point", ["-37/10", "-1/3", "0", "1/1000", "5/7", "13/2", "25"])
def test_enclosures_contain_the_value(name: str, point: str) -> None:
    import mpmath

    activation, x = theory.activation(name), sympy.Rational(point)
    low, high = enclose(activation.on([x])[0], 128)
    with mpmath.workdps(60):
        value = compile_activation(activation, "mpmath")(mpmath.mpf(int(x.p)) / int(x.q))
        slack = mpmath.mpf(10) ** -50 * (1 + abs(value))
        assert mpmath.mpf(int(low.p)) / int(low.q) - slack <= value <= mpmath.mpf(int(high.p)) / int(high.q) + slack
    assert float(high - low) <= 1e-30 * max(1.0, abs(float(value)))


def test_signs_are_proved_or_withheld() -> None:
    assert sign_of(sympy.tanh(20) - 1) == -1
    assert sign_of(sympy.sqrt(2) * sympy.sqrt(3) - sympy.sqrt(6)) == 0
    assert sign_of(sympy.erf(1) - sympy.Rational("0.842700792949714869341220635082609")) in (1, -1)
    assert sign_of(sympy.Integer(0)) == 0
    assert sign_of(sympy.exp(sympy.Rational(1, 10**20)) - 1) == 1


@pytest.mark.parametrize(
    ("f", "n"), [("nosuch", 2), ("tanh", 0), ("tanh", 1.5), ("tanh", sympy.Symbol("n")), (None, 2)]
)
def test_bad_input(f: object, n: object) -> None:
    with pytest.raises(InputError):
        theory.equivariance_group(f, n)
    with pytest.raises(InputError):
        theory.intertwiner(f, n)
