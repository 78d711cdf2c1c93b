"""Between the requests and the network: every reply is judged once, and what it means for all others is
done.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from labeltune.errors import AccessError, BudgetError, LabeltuneError, ModelDamagedError, TemporaryError
from labeltune.prediction.pace import Pace, wait_announced
from labeltune.prediction.refusals import way_past
from labeltune.prediction.replies import MODEL_DAMAGED, STREAMED, Reply, as_kept, judge
from labeltune.providers.channel import ClosedError, LostError, NotSentError
from labeltune.providers.environment import proxy_way_on
from labeltune.providers.failures import MODEL_CODES, PROXY_KEY, tls_failure
from labeltune.providers.refusals import is_loading
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from labeltune.prediction.story import Story
    from labeltune.providers import Provider
    from labeltune.providers.channel import Channel, RawReply

__all__ = ["FOREIGN_REPLIES", "Traffic"]

UNANSWERED_LOSSES = 5
"""After so many connections in a row that are closed without a word, where nothing was ever answered, it is
no server of answers."""

UNANSWERED_WAIT = 30.0
"""Seconds that server errors are waited for where nothing was ever answered: it is no outage then."""

FOREIGN_REPLIES = 3
"""After so many replies in a row that are not the API's, it is a proxy or a portal that answers."""

_LONGEST_RESET = 60.0
"""A used-up rate limit that an answer announces is waited for so long at most: it is not a refusal yet."""


_BASE = re.compile(r"redirects to (https?://[^\s?#]+)/chat/completions/? \(")
"""A base URL in what is said of a redirect."""


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
        has_answered: bool,
    ) -> None:
        self._channel, self._provider, self.pace = channel, provider, pace
        self._deadline, self._max_wait = deadline, max_wait
        self._stop, self._story = stop, story
        self._answers = 0
        self._answered_before = has_answered
        self._foreign = 0
        self._losses = 0
        self._last_error = self._last_limit = ""
        self._reached = False
        self._told_breaker = False
        self._told_bad = False

    async def post(self, body: bytes) -> tuple[Reply, bytes]:
        """Send a request once; returns what the reply is, and its bytes as they are kept."""
        before, left = self._answers, asyncio.get_running_loop().time()
        try:
            # A total deadline: a reply that trickles in would outlast any time-out between two bytes.
            async with asyncio.timeout(self._deadline):
                raw = await self._channel.post(body)
        except NotSentError as error:
            self._not_reached(error)
            return Reply("server_error", str(error)), b""
        except (LostError, TimeoutError) as error:
            self._reached = True
            return self._lost(error), b""
        self._reached = True
        reply = judge(raw.status, raw.headers, raw.body)
        self._losses = self._losses + 1 if reply.verdict == "lost" else 0
        if reply.verdict in ("answer", "bad_response"):
            self._answered(raw, asyncio.get_running_loop().time() - left, before)
        else:
            self._heed(reply, raw)
        return reply, as_kept(reply, raw.body)

    def _heed(self, reply: Reply, raw: RawReply) -> None:
        """Do what a reply asks of everyone."""
        self._foreign = self._foreign + 1 if reply.verdict == "foreign" else 0
        match reply.verdict:
            case "limited":
                self._last_limit = reply.said
                self._limited(wait_announced(raw.headers))
            case "server_error":
                if not self._has_answered and not self._last_error:
                    self._story.warn(
                        f"{self._provider.host}: {reply.said} (status {raw.status}); trying again"
                    )
                self._failed(reply.said)
            case "quota" | "access":
                self._stop(self._final(reply))
            case "foreign":
                if self._foreign >= FOREIGN_REPLIES:
                    self._stop(
                        TemporaryError(f"{self._provider.host}: {reply.said}", hint=self._way_past(reply))
                    )
            case "lost":
                self._stop_if_only_lost(reply.said)
            case "rejected" | "answer" | "bad_response":
                pass

    def _answered(self, raw: RawReply, seconds: float, before: int) -> None:
        """The server works; `before` answers had come when the request left."""
        self._foreign = 0
        self._answers += 1
        self._last_error = self._last_limit = ""
        self.pace.answered(seconds, self._answers - before)
        if raw.headers.get("x-ratelimit-remaining-requests") == "0":
            self.pace.pause(min(wait_announced(raw.headers) or 0.0, _LONGEST_RESET))

    def tell_bad(self, reply: Reply) -> None:
        """Say once what a reply without an answer holds, which its row is left with."""
        if not self._told_bad:
            self._told_bad = True
            self._story.warn(
                f"{self._provider.host}: a reply without an answer, so bad_response for its row: {reply.said}"
            )

    def _stop_if_only_lost(self, said: str) -> None:
        """Where nothing was ever answered, answers that are lost one after the other end the run."""
        if not self._has_answered and self._losses >= UNANSWERED_LOSSES:
            self._stop(
                TemporaryError(
                    f"{self._provider.host}: not one answer came whole, of {self._losses} asked for: {said}",
                    hint="is there a proxy in between that cuts answers off? --dry-run shows the first "
                    "request, to try by hand",
                )
            )

    @property
    def _has_answered(self) -> bool:
        """Whether this provider answered a request of this run, or of one before."""
        return self._answered_before or self._answers > 0

    async def watch(self) -> None:
        """Give up when no answer has come for too long."""
        while not self.pace.closed:
            patience = self._patience()
            left = patience - self.pace.silent_for
            if left <= 0:
                # What is in flight has a deadline of its own, and may still come.
                if self.pace.pause_seconds or self.pace.broken or not self.pace.in_flight:
                    self._give_up(f"no answer for {patience:,.0f} s")
                    return
                left = 1.0
            await asyncio.sleep(min(left, 5.0))

    def _patience(self) -> float:
        """Seconds without an answer after which the run ends."""
        if self._has_answered or not self.pace.broken or is_loading(self._last_error):
            return self._max_wait
        return min(UNANSWERED_WAIT, self._max_wait)

    def _lost(self, error: Exception) -> Reply:
        """The reply for a request that was not answered, and what that means for all others."""
        said = " ".join(str(error).split()) or "no answer in time"
        if isinstance(error, TimeoutError):
            self.pace.late()
        self._losses += 1
        self._failed(said)
        if self._has_answered or not isinstance(error, ClosedError):
            if isinstance(error, LostError):
                self._stop_if_only_lost(said)
            return Reply("lost", said)
        if self._losses >= UNANSWERED_LOSSES:
            why = f"{self._provider.host}: closes every connection without an answer: {said}"
            self._stop(TemporaryError(why, hint=self._other_scheme()))
        # A server that never answered anything has not worked for anybody: nothing is billed.
        return Reply("server_error", said)

    def _other_scheme(self) -> str:
        scheme = "http" if self._provider.base_url.startswith("https:") else "https"
        return f"is it {scheme}://? is the address that of the server itself, and is its model loaded?"

    def _way_past(self, reply: Reply) -> str:
        """What helps where a reply is not the API's."""
        if reply.code == STREAMED:
            return "declare #chat.stream=false after its URL, or turn streaming off in the server"
        if 300 <= reply.status < 400:
            base = _BASE.search(reply.said)
            if base is not None and base[1] != self._provider.base_url.rstrip("/"):
                return f"if that is the API's address: --provider {base[1]}"
            return "give --provider the address that it leads to, if it is the API's; else log in there first"
        return self._way_there()

    def _way_there(self) -> str:
        base = self._provider.base_url.rstrip("/")
        if base.endswith("/chat/completions"):
            shorter = base.removesuffix("/chat/completions")
            return f"the address ends before /chat/completions: --provider {shorter}"
        if base.endswith("/v1"):
            return "is the address right? Is there a proxy or a portal to log in to?"
        return f"does the address lack its end? try --provider {base}/v1"

    def _limited(self, announced: float | None) -> None:
        paused = self.pace.pause_seconds
        wait = self.pace.limited(announced)
        if wait > self._max_wait:
            self._give_up(f"the rate limit asks to wait {wait:,.0f} s")
        elif not paused:
            self._story.note(f"waiting {wait:,.3g} s (rate limit)")

    def _failed(self, said: str) -> None:
        self._last_error = said
        if self.pace.failed() and not self._told_breaker:
            self._told_breaker = True
            self._story.warn(f"server errors ({said}), trying 1 request every 1 to 30 s until they end")

    def _not_reached(self, error: NotSentError) -> None:
        host = self._provider.host
        if self._reached:
            self._failed(f"{host} cannot be reached")
            return
        hint = proxy_way_on(self._provider.base_url) or (
            "check the network and the address, then run the same command again"
        )
        what = "cannot be reached"
        if isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in str(error) or "[SSL" in str(error):
            what, hint = tls_failure(str(error))
        self._stop(TemporaryError(f"{host}: {what}: {error}", hint=hint))

    def _give_up(self, why: str) -> None:
        last = self._last_error
        said = (
            f"; the last error: {last}" if last else f"; it says: {self._last_limit}" * bool(self._last_limit)
        )
        hint = "run the same command again later, or with a longer --max-wait"
        if self._last_error and not (self._has_answered or is_loading(last)):
            hint = way_past(Reply("server_error", last)) or (
                "--dry-run shows the first request, to try by hand; --no-confidence goes without "
                "log-probabilities, and [prompt] without system, on which some servers fail"
            )
        self._stop(TemporaryError(f"{self._provider.host}: {why}{said}; {self._so_far()}", hint=hint))

    def _final(self, reply: Reply) -> LabeltuneError:
        said = f"{self._provider.host}: {reply.said} [{reply.code}]; {self._so_far()}"
        if reply.verdict == "quota":
            return BudgetError(f"quota used up: {said}", hint="top up, then run the same command again")
        if reply.code == MODEL_DAMAGED:
            return ModelDamagedError(said, hint="train it again, or bring its files back from a copy")
        return self._no_access(reply, said)

    def _no_access(self, reply: Reply, said: str) -> AccessError:
        if self._is_no_model(reply):
            gone = "no longer exists" if self._answers else "does not exist"
            why = f"the model {gone}"
            hint = "see: labeltune models list; where models are deployed, --model is a deployment's name"
        elif reply.status == 401:
            why, hint = (
                "key rejected",
                f"check {self._provider.key_variable}, then run the same command again",
            )
        elif reply.status == 407:
            why, hint = "the proxy wants a user and a password", PROXY_KEY
        elif reply.status in (404, 405):
            why, hint = f"no such call: POST {urlsplit(self._channel.url).path}", self._way_there()
        else:
            why, hint = "no permission", "check the key's project, role and permissions"
        return AccessError(f"{why}: {said}", hint=hint)

    @staticmethod
    def _is_no_model(reply: Reply) -> bool:
        """Whether a refusal is about the model that was asked for."""
        named = "model" in f"{reply.code} {reply.said}".lower()
        return reply.code in MODEL_CODES or reply.status == 410 or (reply.status == 404 and named)

    def no_chat(self, reply: Reply) -> LabeltuneError:
        """The error for a server whose first replies hold no answer, nor anything of a chat completion."""
        return TemporaryError(
            f"{self._provider.host}: no reply is that of a chat completion: {reply.said}",
            hint=self._way_there(),
        )

    def _so_far(self) -> str:
        return f"{counted(self._answers, 'row was', 'rows were')} answered in this run, nothing is lost"
