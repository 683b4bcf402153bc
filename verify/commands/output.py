"""What a command hands back: text for people, plain data for machines, an exit code; and its progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.tables import write_atomically

__all__ = ["Output", "deliver", "progress_bar"]


@dataclass(frozen=True)
class Output:
    """What a command prints: text for people, plain data for machines, and the exit code."""

    text: str
    data: Any
    exit_code: int = 0


def deliver(output: Output, as_json: bool, out: str | None) -> None:
    """Print the output, or write it to a file whole or not at all."""
    text = json.dumps(output.data, indent=2, ensure_ascii=False, allow_nan=False) if as_json else output.text
    if out is None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    else:
        write_atomically(Path(out), text + "\n")


class progress_bar:
    """A tqdm bar on stderr, fed by progress(done, total, text); silent where stderr is not a terminal."""

    def __enter__(self) -> Callable[[float, float, str], None]:
        from tqdm import tqdm

        layout = "{percentage:3.0f}% {bar} {elapsed} elapsed, {remaining} left  {desc}"
        self.bar = tqdm(total=1.0, disable=None, bar_format=layout, dynamic_ncols=True, leave=False)

        def update(done: float, total: float, text: str = "") -> None:
            self.bar.set_description_str(text, refresh=False)
            self.bar.n = min(1.0, done / total) if total else 1.0
            self.bar.refresh()

        return update

    def __exit__(self, *_: object) -> None:
        self.bar.close()
