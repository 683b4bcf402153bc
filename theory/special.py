"""Two functions sympy lacks, kept as atoms so that every numeric form can be evaluated without overflow."""

from __future__ import annotations

import sympy

__all__ = ["sigmoid", "softplus"]


class sigmoid(sympy.Function):
    """The logistic function 1/(1 + exp(-z))."""

    nargs = 1

    @classmethod
    def eval(cls, z: sympy.Expr) -> sympy.Expr | None:
        if z.is_zero:
            return sympy.Rational(1, 2)
        if z is sympy.oo:
            return sympy.Integer(1)
        if z is sympy.S.NegativeInfinity:
            return sympy.Integer(0)
        return None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return self * (1 - self)

    def _eval_rewrite_as_exp(self, z: sympy.Expr, **_: object) -> sympy.Expr:
        return 1 / (1 + sympy.exp(-z))

    def _eval_evalf(self, prec: int) -> sympy.Expr:
        return self.rewrite(sympy.exp)._eval_evalf(prec)

    def _eval_is_positive(self) -> bool | None:
        return self.args[0].is_extended_real

    def _eval_is_extended_real(self) -> bool | None:
        return self.args[0].is_extended_real


class softplus(sympy.Function):
    """The smooth rectifier log(1 + exp(z))."""

    nargs = 1

    @classmethod
    def eval(cls, z: sympy.Expr) -> sympy.Expr | None:
        if z.is_zero:
            return sympy.log(2)
        if z is sympy.oo:
            return sympy.oo
        if z is sympy.S.NegativeInfinity:
            return sympy.Integer(0)
        return None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sigmoid(self.args[0])

    def _eval_rewrite_as_exp(self, z: sympy.Expr, **_: object) -> sympy.Expr:
        return sympy.log(1 + sympy.exp(z))

    def _eval_evalf(self, prec: int) -> sympy.Expr:
        return self.rewrite(sympy.exp)._eval_evalf(prec)

    def _eval_is_positive(self) -> bool | None:
        return self.args[0].is_extended_real

    def _eval_is_extended_real(self) -> bool | None:
        return self.args[0].is_extended_real
