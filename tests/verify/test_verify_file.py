"""`superposition bounds --verify FILE`: proved, rejected with the reason, or no certificate at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sympy

from theory.loss.linear_programming import linear_programming_certificate
from verify.cli import main

GOOD = linear_programming_certificate(5, 2, sympy.sqrt(2), 0).to_json()


def verify(tmp_path: Path, content: bytes) -> int:
    file = tmp_path / "certificate.json"
    file.write_bytes(content)
    return main(["bounds", "--verify", str(file)])


def test_a_certificate_of_an_irrational_exponent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(tmp_path, GOOD.encode()) == 0
    assert "PROVED: 5 features in R^2 have capacity at most 4.66" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"capacity": "4"}, "proves only"),
        ({"m": 3}, "exceeds the kernel"),
        ({"n": 6}, "proves only"),
        ({"exponent": "2"}, "exceeds the kernel"),
        ({"coefficients": ["1/2"]}, "exceeds the kernel"),
        ({"coefficients": ["1/5", "-1/5"]}, "negative"),
    ],
)
def test_what_is_doctored_is_rejected(tmp_path: Path, capsys, change: dict, reason: str) -> None:
    assert verify(tmp_path, json.dumps({**json.loads(GOOD), **change}).encode()) == 1
    out = capsys.readouterr().out
    assert out.startswith("REJECTED")
    assert reason in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD[: len(GOOD) // 2].encode(), "not JSON"),
        (b"\xff\xfe\x00", "not a text file"),
        (b"", "not JSON"),
        (b"[1, 2]", "format"),
        (GOOD.replace('"m": 2', '"m": ' + "9" * 5000).encode(), "digits"),
        (GOOD.replace('"m": 2', '"m": 1e400').encode(), "m=inf"),
        (GOOD.replace('"n": 5', '"n": NaN').encode(), "n=nan"),
        (b"0" * (10**7 + 1), "more than 10000000 bytes"),
    ],
    ids=["truncated", "binary", "empty", "list", "digits", "infinite", "nan", "large"],
)
def test_what_is_damaged_is_misuse(tmp_path: Path, capsys, content: bytes, message: str) -> None:
    assert verify(tmp_path, content) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert len(captured.err) < 600
