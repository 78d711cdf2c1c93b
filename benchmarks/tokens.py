"""How far the estimate of tokens is off, by kind of text.

    python benchmarks/tokens.py [--own]

Exact counts are those of o200k_base, by the extra `[tokens]`. The kinds are those of `kinds.py`; `--own`
leaves out what is read from this machine and from data sets beside the checkout, so that every machine
prints the same. The weights were fitted to these kinds: `fit_tokens.py` tells what the error is on a kind
that is left out. Target: at most 10 % of the total of each kind. Ends with 1 if it is missed.
"""

from __future__ import annotations

import argparse
import sys

from kinds import all_kinds, generated, sentences
from labeltune.pricing.tokens import Estimator, token_counter


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--own", action="store_true", help="only kinds that are the same on every machine")
    kinds = generated() | sentences() if parser.parse_args().own else all_kinds()
    exact, estimate = token_counter(mode="exact"), Estimator()
    missed = []
    print(f"{'':24}{'characters':>11}{'tokens':>9}{'error':>8}")
    for kind, texts in kinds.items():
        counted = exact.total(texts)
        error = estimate.total(texts) / counted - 1
        print(f"{kind:24}{sum(map(len, texts)):>11,}{counted:>9,.0f}{error:>+8.1%}")
        if abs(error) > 0.1:
            missed.append(kind)
    print(
        f"{len(kinds) - len(missed)} of {len(kinds)} within 10 %"
        + "".join(f"\nmissed: {kind}" for kind in missed)
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
