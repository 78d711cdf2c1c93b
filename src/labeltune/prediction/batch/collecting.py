"""What a batch brought: downloaded, joined with what was asked, and written into the journal."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from labeltune.errors import LabeltuneError, TemporaryError
from labeltune.files.writing import disk_errors
from labeltune.prediction.batch.files import DOWNLOAD, read_line, temporary
from labeltune.prediction.batch.watching import each_once
from labeltune.prediction.refusals import all_rejected
from labeltune.prediction.replies import BAD_RESPONSE, REJECTED, usage_of
from labeltune.providers import persist
from labeltune.providers.failures import shown_start
from labeltune.providers.lenient import batch_status, whole_number
from labeltune.tuning.watching import NAMELESS_LOOKS, WATCH_PATIENCE
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from openai import AsyncOpenAI
    from openai.types import Batch

    from labeltune.prediction.batch.files import BatchLine
    from labeltune.prediction.costs import Rate
    from labeltune.prediction.journal import BatchEntry, Journal
    from labeltune.prediction.plan import Job
    from labeltune.prediction.sending import Sent

__all__ = ["MISSING", "Collector"]

MISSING = "missing"
"""The kind of a request that a completed batch neither answered nor reported."""

DOWNLOADS = 3
"""How often a file is downloaded that holds fewer answers than the provider counts."""

_CHUNK = 512


def _completed(remote: Batch) -> int:
    """How many answers the provider counts."""
    return whole_number(getattr(remote.request_counts, "completed", None)) or 0


class Collector:
    """Collects batches of one run, and counts what they brought into `sent`."""

    def __init__(
        self,
        client: AsyncOpenAI,
        job: Job,
        journal: Journal,
        sent: Sent,
        rate: Rate | None,
        *,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._client, self._job, self._journal = client, job, journal
        self._sent, self._rate, self._sleep = sent, rate, sleep
        self._file = journal.path.with_suffix(DOWNLOAD)
        self._tell = each_once(job.story)
        self._unanswered: dict[str, str] = {}
        """What was said of requests that were not answered, by code."""
        self._sample = ""
        """The start of a line of no request of ours."""

    async def collect(self, entry: BatchEntry, remote: Batch) -> None:
        """Write down what an ended batch answered and what it refused; the rest of its requests is unknown.

        Nothing is written before a file is here whole. Raises `RemoteError` if a file is gone from the
        provider, `SettingsError` if every request of the first batch was refused, which then wait for a run
        that is mended.
        """
        strange: Counter[str] = Counter()
        self._unanswered.clear()
        self._sample = ""
        remote, completed = await self._with_output(remote), _completed(remote)
        for file_id, lines in ((remote.output_file_id, completed), (remote.error_file_id, 0)):
            if not file_id:
                continue
            with temporary(self._file) as path:
                await self._download(file_id, path, lines)
                self._refuse_all(path, entry)
                strange += self._read(path, entry)
        status = batch_status(remote.status)
        self._journal.batches.collected(entry.id, MISSING if status == "completed" else f"batch_{status}")
        for code, said in self._unanswered.items():
            if said:
                self._job.story.warn(f"{remote.id}: not answered [{code}]: {said}")
        for what, count in strange.items():
            self._job.story.warn(
                f"{remote.id}: {counted(count, 'line')} {what} {'is' if count == 1 else 'are'} left out"
                + (f": {self._sample}" if "no request" in what else "")
            )

    async def _with_output(self, remote: Batch) -> Batch:
        """The batch with the file of its answers, which some providers name a moment after its end.

        Raises `TemporaryError` if it counts answers and names no file: they are there, and paid for.
        """
        for delay in NAMELESS_LOOKS:
            if remote.output_file_id or not _completed(remote):
                return remote
            await self._sleep(delay)
            retrieve = partial(self._client.batches.retrieve, remote.id)
            remote = await persist(retrieve, self._job.provider, patience=WATCH_PATIENCE, sleep=self._sleep)
        if remote.output_file_id or not _completed(remote):
            return remote
        raise TemporaryError(
            f"{remote.id}: counts {counted(_completed(remote), 'answer')}, but names no output file",
            hint="run the same command again later: it collects them",
        )

    async def digests_at(self, entry: BatchEntry, lines: set[int]) -> dict[int, bytes]:
        """The hashes of the requests on these lines of a batch's input file, counted from 1; those that can
        be found.
        """
        if not lines or entry.file is None:
            return {}
        with temporary(self._file) as path:
            try:
                await self._download(entry.file, path, 0)
            except LabeltuneError:
                return {}
            with path.open("rb") as texts:
                numbered = enumerate(islice(texts, max(lines)), start=1)
                found = ((number, read_line(text)) for number, text in numbered if number in lines)
                return {number: line.digest for number, line in found if line is not None}

    async def _download(self, file_id: str, path: Path, expected: int) -> None:
        """Raises `TemporaryError` if it does not come whole."""
        counts: set[int] = set()
        for _ in range(DOWNLOADS):
            fetch = partial(self._fetch, file_id, path)
            lines = await persist(
                fetch,
                self._job.provider,
                patience=WATCH_PATIENCE,
                sleep=self._sleep,
                on_failure=self._tell,
            )
            if lines >= expected:
                return
            counts.add(lines)
            self._job.story.warn(
                f"{file_id}: {lines:,} of {counted(expected, 'answer')} came: downloading it again"
            )
        if len(counts) > 1:
            raise TemporaryError(
                f"{file_id}: does not come whole, {DOWNLOADS} times", hint="run the same command again later"
            )
        # Whatever was counted: this is what the provider has.

    async def _fetch(self, file_id: str, path: Path) -> int:
        """Download a file from its start; returns how many lines it has."""
        lines, end = 0, b"\n"
        with disk_errors(path), path.open("wb") as handle:
            async with self._client.files.with_streaming_response.content(file_id) as response:
                async for chunk in response.iter_bytes():
                    handle.write(chunk)
                    lines += chunk.count(b"\n")
                    end = chunk[-1:] or end
        return lines + (end != b"\n")

    def _refuse_all(self, path: Path, entry: BatchEntry) -> None:
        """Raise if there never was an answer and every line refuses: it is not the rows that are wrong."""
        if self._journal.answered:
            return
        with path.open("rb") as texts:
            first = read_line(texts.readline())
        if first is None or first.reply.verdict != "rejected":
            return
        with path.open("rb") as texts:
            verdicts = {line.reply.verdict for line in map(read_line, texts) if line is not None}
        if verdicts == {"rejected"}:
            self._journal.batches.drop(entry.id)
            raise all_rejected(first.reply)

    def _read(self, path: Path, entry: BatchEntry) -> Counter[str]:
        """Enter the lines of a file; returns how many are not what they should be, by what they are."""
        strange: Counter[str] = Counter()
        seen: set[bytes] = set()
        known = self._journal.batches.requests(entry.id)
        with path.open("rb") as texts:
            while chunk := list(islice(texts, _CHUNK)):
                with self._journal.saving():
                    for text in filter(bytes.strip, chunk):
                        line = read_line(text)
                        found = None if line is None else known.get(line.digest)
                        if line is None or found is None:
                            self._sample = self._sample or shown_start(text.decode("utf-8", "replace"))
                            strange["of no request of ours"] += 1
                        elif line.digest in seen:
                            strange["that answer a request again"] += 1
                        else:
                            seen.add(line.digest)
                            # One that is not `sent` was written down before a process was killed.
                            if found[1] == "sent":
                                self._enter(found[0], line)
        return strange

    def _enter(self, request: int, line: BatchLine) -> None:
        reply = line.reply
        match reply.verdict:
            case "answer" | "bad_response":
                read, written = usage_of(reply.document)
                if reply.verdict == "answer":
                    self._journal.done(request, line.raw, input_tokens=read, output_tokens=written)
                else:
                    self._journal.failed(request, BAD_RESPONSE, line.raw)
                self._sent.count(read, written, self._rate)
            case "rejected":
                self._journal.failed(request, REJECTED, line.raw)
                self._sent.rejections[reply.code] = self._sent.rejections.get(reply.code, 0) + 1
            case _:
                self._unanswered.setdefault(reply.code, reply.said)
                self._journal.unknown(request, reply.code, line.raw)
                self._sent.unknown += 1
