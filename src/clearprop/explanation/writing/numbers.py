"""How numbers are written: so many significant digits, a true minus sign, powers of ten; fractions as fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def parts(value: Any, digits: int) -> tuple[str, str, str]:
    """Return a sign, "" or "−", the digits, and the power of ten, "" if it is written out.

    >>> parts(-0.5, 6), parts(1.5e-12, 6), parts(float("inf"), 6)
    (('−', '0.5', ''), ('', '1.5', '-12'), ('', '∞', ''))
    """
    number = float(value)
    sign = "−" if math.copysign(1.0, number) < 0 and number != 0 else ""
    if not math.isfinite(number):
        return ("", "NaN", "") if math.isnan(number) else (sign, "∞", "")
    mantissa, _, power = f"{abs(number):.{digits}g}".partition("e")
    return sign, mantissa, str(int(power)) if power else ""


def fraction(value: Any) -> tuple[str, str, str] | None:
    """Return sign, numerator and denominator of a fraction that is no integer; else None."""
    if not isinstance(value, Fraction) or value.denominator == 1:
        return None
    return "−" if value < 0 else "", str(abs(value.numerator)), str(value.denominator)


def text(value: Any, digits: int = 6) -> str:
    """Return a number as plain text.

    >>> text(0.298371109, 6), text(-2.5e-7), text(Fraction(-3, 8)), text(Fraction(4))
    ('0.298371', '−2.5·10⁻⁷', '−3/8', '4')
    """
    if isinstance(value, Fraction):
        return str(value).replace("-", "−")
    sign, mantissa, power = parts(value, digits)
    return f"{sign}{mantissa}" + (f"·10{power.translate(_RAISED)}" if power else "")


def latex(value: Any, digits: int = 6) -> str:
    r"""Return a number in LaTeX.

    >>> print(latex(-2.5e-7), latex(Fraction(-3, 8)))
    -2.5 \cdot 10^{-7} -\frac{3}{8}
    """
    if found := fraction(value):
        sign, above, below = found
        return ("-" if sign else "") + rf"\frac{{{above}}}{{{below}}}"
    if isinstance(value, Fraction):
        return str(value)
    sign, mantissa, power = parts(value, digits)
    mantissa = {"∞": r"\infty", "NaN": r"\mathrm{NaN}"}.get(mantissa, mantissa)
    return ("-" if sign else "") + mantissa + (rf" \cdot 10^{{{power}}}" if power else "")


def mathml(value: Any, digits: int = 6) -> str:
    """Return a number in MathML.

    >>> mathml(0.5), mathml(Fraction(1, 2))
    ('<mn>0.5</mn>', '<mfrac><mn>1</mn><mn>2</mn></mfrac>')
    """
    found = fraction(value)
    if found:
        sign, above, below = found
        body = f"<mfrac><mn>{above}</mn><mn>{below}</mn></mfrac>"
    elif isinstance(value, Fraction):
        sign, body = "−" if value < 0 else "", f"<mn>{abs(value.numerator)}</mn>"
    else:
        sign, mantissa, power = parts(value, digits)
        body = f"<mn>{mantissa}</mn>"
        if power:
            power = power.replace("-", "−")
            body += f"<mo>·</mo><msup><mn>10</mn><mn>{power}</mn></msup>"
    return f"<mrow><mo>−</mo>{body}</mrow>" if sign else body
