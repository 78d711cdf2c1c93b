"""Between the requests and the network: every reply is judged once, and what it means for all others is
done.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from labeltune.errors import AccessError, BudgetError, LabeltuneError, ModelDamagedError, TemporaryError
from labeltune.prediction.pace import Pace, wait_announced
from labeltune.prediction.replies import MODEL_DAMAGED, Reply, as_kept, judge
from labeltune.providers.channel import LostError, NotSentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.providers.channel import Channel, RawReply

__all__ = ["FOREIGN_REPLIES", "Traffic"]

FOREIGN_REPLIES = 3
"""After so many replies in a row that are not the API's, it is a proxy or a portal that answers."""

_LONGEST_RESET = 60.0
"""A used-up rate limit that an answer announces is waited for so long at most: it is not a refusal yet."""


class Traffic:
    """Posts requests at a pace; calls `stop` with the reason for which no further one may leave."""

    def __init__(
        self,
        channel: Channel,
        provider: Provider,
        pace: Pace,
        *,
        deadline: float,
        max_wait: float,
        stop: Callable[[LabeltuneError], None],
        story: Story,
    ) -> None:
        self._channel, self._provider, self.pace = channel, provider, pace
        self._deadline, self._max_wait = deadline, max_wait
        self._stop, self._story = stop, story
        self._answers = 0
        self._foreign = 0
        self._reached = False
        self._told_breaker = False

    async def post(self, body: bytes) -> tuple[Reply, bytes]:
        """Send a request once; returns what the reply is, and its bytes as they are kept."""
        try:
            # A total deadline: a reply that trickles in would outlast any time-out between two bytes.
            async with asyncio.timeout(self._deadline):
                raw = await self._channel.post(body)
        except NotSentError as error:
            self._not_reached(error)
            return Reply("server_error", str(error)), b""
        except (LostError, TimeoutError) as error:
            self._reached = True
            return Reply("lost", str(error) or "no answer in time"), b""
        self._reached = True
        reply = judge(raw.status, raw.headers, raw.body)
        self._heed(reply, raw)
        return reply, as_kept(reply, raw.body)

    def _heed(self, reply: Reply, raw: RawReply) -> None:
        """Do what a reply asks of everyone."""
        match reply.verdict:
            case "limited":
                self._limited(wait_announced(raw.headers))
            case "server_error":
                self._failed(reply.said)
            case "quota" | "access":
                self._stop(self._final(reply, raw.status))
            case "foreign":
                self._foreign += 1
                if self._foreign >= FOREIGN_REPLIES:
                    hint = "is there a proxy or a portal to log in to?"
                    self._stop(TemporaryError(reply.said, hint=hint))
            case "answer" | "bad_response":
                self._answers += 1
                self._foreign = 0
                self.pace.answered()
                if raw.headers.get("x-ratelimit-remaining-requests") == "0":
                    self.pace.pause(min(wait_announced(raw.headers) or 0.0, _LONGEST_RESET))
            case "rejected" | "lost":
                pass

    async def watch(self) -> None:
        """Give up when no answer has come for too long."""
        while not self.pace.closed:
            left = self._max_wait - self.pace.silent_for
            if left <= 0:
                # What is in flight has a deadline of its own, and may still come.
                if self.pace.pause_seconds or self.pace.broken or not self.pace.in_flight:
                    self._give_up(f"no answer for {self._max_wait:,.0f} s")
                    return
                left = 1.0
            await asyncio.sleep(min(left, 5.0))

    def _limited(self, announced: float | None) -> None:
        paused = self.pace.pause_seconds
        wait = self.pace.limited(announced)
        if wait > self._max_wait:
            self._give_up(f"the rate limit asks to wait {wait:,.0f} s")
        elif not paused:
            self._story.note(f"waiting {wait:,.3g} s (rate limit)")

    def _failed(self, said: str) -> None:
        if self.pace.failed() and not self._told_breaker:
            self._told_breaker = True
            self._story.warn(f"server errors ({said}), trying 1 request every 1 to 30 s until they end")

    def _not_reached(self, error: NotSentError) -> None:
        host = self._provider.host
        if self._reached:
            self._failed(f"{host} cannot be reached")
            return
        hint = "check the network and the address, then run the same command again"
        if isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in str(error):
            hint = "behind a company proxy, set SSL_CERT_FILE to a file with the proxy's certificates"
        self._stop(TemporaryError(f"{host}: cannot be reached: {error}", hint=hint))

    def _give_up(self, why: str) -> None:
        self._stop(
            TemporaryError(
                f"{self._provider.host}: {why}; {self._so_far()}",
                hint="run the same command again later, or with a longer --max-wait",
            )
        )

    def _final(self, reply: Reply, status: int) -> LabeltuneError:
        said = f"{self._provider.host}: {reply.said} [{reply.code}]; {self._so_far()}"
        if reply.verdict == "quota":
            return BudgetError(f"quota used up: {said}", hint="top up, then run the same command again")
        if reply.code == MODEL_DAMAGED:
            return ModelDamagedError(said, hint="train it again, or bring its files back from a copy")
        if status == 401:
            hint = f"check {self._provider.key_variable}, then run the same command again"
            return AccessError(f"key rejected: {said}", hint=hint)
        if status == 404:
            gone = "no longer exists" if self._answers else "does not exist"
            return AccessError(f"the model {gone}: {said}", hint="see: labeltune jobs list")
        return AccessError(f"no permission: {said}", hint="check the key's project, role and permissions")

    def _so_far(self) -> str:
        return f"{self._answers:,} rows were answered in this run, nothing is lost"
