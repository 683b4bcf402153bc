"""One cell of the atlas: what is certified and what is known for n features, m dimensions and one activation."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import sympy

import numerics
import theory
from theory import Bound, InputError, ToyModel
from theory.loss.capacity import SparseConstants, sparse_constants
from verify.geometry.dimensionality import feature_dimensionality

__all__ = ["PROVED_GAP", "Cell", "CellRequest", "compute_cell"]

# A cell counts as proved optimal where the certified and the attained capacity differ by no more than this, relatively.
PROVED_GAP = 1e-6
_DIGITS = 30


@dataclass(frozen=True)
class CellRequest:
    """What a cell's result depends on.

    Attributes:
        activation: a label such as "rectified-power:2".
        m, n: hidden dimension and number of features.
        law: label of the law of an active feature.
        restarts: starts of a search of its own; None for the shipped table where it covers the cell.
        seed: of that search.
    """

    activation: str
    m: int
    n: int
    law: str = "uniform"
    restarts: int | None = None
    seed: int = 0

    @property
    def model(self) -> ToyModel:
        """The toy model of the cell."""
        return ToyModel(self.n, self.m, self.activation, law=self.law)

    @property
    def label(self) -> str:
        """For people and file names: "rectified-power-2_m3_n9"."""
        return f"{self.activation.replace(':', '-').replace('/', 'over')}_m{self.m}_n{self.n}"


@dataclass(frozen=True)
class Cell:
    """The two sides of c* and of the capacity K*, and the best-known configuration.

    Attributes:
        request: what was asked.
        lower, upper: certified lower and best upper bound on c*.
        capacity_known, capacity_certified: best attained capacity and certified upper bound on K*.
        bound, construction: names of the bounds that give the two sides.
        capacity_known_exact, capacity_certified_exact: the capacities, as formulas or rationals.
        certificate: JSON text of the lower bound's certificate; None where the bound is a closed form.
        configuration: name of the geometry.
        kept: number of features with a nonzero column.
        W: shape (m, n), at the scale that minimises c.
        norms, dimensionality: per feature.
        gram_spectrum: eigenvalues of W W^T, largest first.
        cosines: (cosine, number of pairs).
        blocks: integer columns of each block, where the configuration is one of a search; its capacity can be computed
            from them by integer arithmetic.
    """

    request: CellRequest
    lower: float
    upper: float
    capacity_known: float
    capacity_certified: float
    bound: str
    construction: str
    capacity_known_exact: str
    capacity_certified_exact: str
    certificate: str | None
    configuration: str
    kept: int
    W: list[list[float]]
    norms: list[float]
    dimensionality: list[float]
    gram_spectrum: list[float]
    cosines: list[list[float]]
    blocks: list[list[list[int]]]

    @property
    def gap(self) -> float:
        """Relative gap in capacity: certified over known, minus 1."""
        return max(0.0, self.capacity_certified / self.capacity_known - 1)

    @property
    def is_proved(self) -> bool:
        """Whether the configuration is certified optimal, to `PROVED_GAP`."""
        return self.gap <= PROVED_GAP

    def to_json(self) -> str:
        """Everything but the certificate, which is a file of its own; the same text for the same result."""
        data = asdict(self)
        del data["certificate"]
        return json.dumps({**data, "gap": self.gap, "is_proved": self.is_proved}, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, certificate: str | None) -> Cell:
        """The cell that `to_json` wrote. Raises ValueError, TypeError or KeyError for other texts."""
        data = json.loads(text)
        del data["gap"], data["is_proved"]
        return cls(**{**data, "request": CellRequest(**data["request"]), "certificate": certificate})


def compute_cell(request: CellRequest) -> Cell:
    """Both sides of one cell; the certificate, where there is one, has passed its own check here.

    Raises:
        InputError: the theory has no bounds for the setting, or a certificate fails its check.
    """
    model = request.model
    constants = sparse_constants(model.law, model.activation)
    if not constants.kappa.is_positive:
        raise InputError(f"{model.describe()}: M_1 <= 0, so W = 0 is optimal and there is no configuration to map")
    best_lower = theory.lower_bounds(model, of="sparse")[0]
    certificate = _checked(best_lower)
    certified = _capacity_of(model, constants, best_lower.expr)
    known = numerics.best_configuration(
        request.n, request.m, model.activation, model.law, request.seed, request.restarts
    )
    best_upper = theory.upper_bounds(model, of="sparse")[0]
    attained, construction = _capacity_of(model, constants, best_upper.expr), best_upper.name
    if known.is_proved and float(known.capacity) >= float(attained) * (1 - 1e-11):
        attained, construction = known.capacity, known.origin
    W = np.asarray(theory.optimal_scale(model, known.W), dtype=float)
    spectrum = np.sort(np.linalg.svd(W, compute_uv=False) ** 2)[::-1]
    return Cell(
        request=request,
        lower=float(best_lower.expr),
        upper=_number(model.n_features * constants.second_moment - constants.kappa * attained),
        capacity_known=_number(attained),
        capacity_certified=_number(certified),
        bound=best_lower.name,
        construction=construction,
        capacity_known_exact=str(attained),
        capacity_certified_exact=str(certified),
        certificate=certificate,
        configuration=known.name,
        kept=request.n - len(known.geometry.dropped),
        W=_rounded(W).tolist(),
        norms=_rounded(np.linalg.norm(W, axis=0)).tolist(),
        dimensionality=_rounded(feature_dimensionality(W)).tolist(),
        gram_spectrum=_rounded(spectrum).tolist(),
        cosines=[[round(cosine, 9), count] for cosine, count in known.cosines],
        blocks=[[list(column) for column in block.columns] for block in known.blocks],
    )


def _checked(bound: Bound) -> str | None:
    if bound.certificate is None:
        return None
    reason = bound.certificate.check()
    if reason is not None:
        raise InputError(f"the certificate of {bound.name!r} for {bound.model.describe()} proves nothing: {reason}")
    return str(bound.certificate.to_json())


def _capacity_of(model: ToyModel, constants: SparseConstants, coefficient: sympy.Expr) -> sympy.Expr:
    """K with c = n mu_2 - kappa K."""
    value = (model.n_features * constants.second_moment - coefficient) / constants.kappa
    return value if value.is_Rational else sympy.simplify(value)


def _number(value: sympy.Expr) -> float:
    """The exact value as a float: evaluated with digits to spare, because c* may be a small difference."""
    return float(sympy.N(value, _DIGITS))


def _rounded(values: Any) -> np.ndarray:
    """To 12 decimals, without negative zeros: what lies below is rounding and differs between machines."""
    return np.round(np.asarray(values, dtype=float), 12) + 0.0
