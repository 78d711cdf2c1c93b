"""Rate limits: so many requests and tokens a minute, told in headers and kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from labeltune.local.errors import ApiError

__all__ = ["Limits"]

_WINDOW_S = 60.0
_BYTES_PER_TOKEN = 4


@dataclass(slots=True)
class Limits:
    """Counts by the minute. The defaults are far above what one machine answers: they stop run-away loops.

    Tokens are estimated from the size of the request, four bytes each.
    """

    requests: int = 600_000
    tokens: int = 1_000_000_000
    _began: float = field(default=float("-inf"), init=False)
    _requests_used: int = field(default=0, init=False)
    _tokens_used: int = field(default=0, init=False)

    def count(self, size: int) -> list[tuple[bytes, bytes]]:
        """Count a request of `size` bytes; returns the headers. Raises `ApiError` (429) above a limit."""
        at = time.monotonic()
        if at - self._began >= _WINDOW_S:
            self._began, self._requests_used, self._tokens_used = at, 0, 0
        left = _WINDOW_S - (at - self._began)
        tokens = size // _BYTES_PER_TOKEN
        for name, used, more, limit in (
            ("requests", self._requests_used, 1, self.requests),
            ("tokens", self._tokens_used, tokens, self.tokens),
        ):
            if used + more > limit:
                raise ApiError(
                    429,
                    f"Rate limit reached: {limit:,} {name} per minute. Please try again in {left:.1f}s.",
                    code="rate_limit_exceeded",
                    retry_after=left,
                )
        self._requests_used += 1
        self._tokens_used += tokens
        reset = b"%.1fs" % left
        return [
            (b"x-ratelimit-limit-requests", b"%d" % self.requests),
            (b"x-ratelimit-remaining-requests", b"%d" % (self.requests - self._requests_used)),
            (b"x-ratelimit-reset-requests", reset),
            (b"x-ratelimit-limit-tokens", b"%d" % self.tokens),
            (b"x-ratelimit-remaining-tokens", b"%d" % (self.tokens - self._tokens_used)),
            (b"x-ratelimit-reset-tokens", reset),
        ]
