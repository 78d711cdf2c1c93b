"""The desk as an ASGI app: the page, and what it asks.

    GET  /        the page; it holds nothing of the table
    POST /task    what is asked: fields, labels, the annotator's name
    POST /rows    the first rows, or more of them
    POST /do      an answer, a skip or a flag, and the next rows
    POST /undo    the last answer or skip taken back
    POST /state   how far everything is
    POST /leave   the page is closed, and holds no rows any more
    POST /write   the table written

Each request says who labels, on which page, and which rows the page holds. A reply comes when what it tells
of is on the disk.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response
from starlette.routing import Route, Router

from labeltune.collect.label.answering import AnswerError, questions_of, read_answer
from labeltune.collect.label.order import RANDOM
from labeltune.errors import LabeltuneError
from labeltune.local.errors import ApiError, with_hint
from labeltune.local.guard import TOKEN_HEADER, Guard
from labeltune.local.wire import json_reply, read_body
from labeltune.pages import render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from labeltune.collect.label.desk import Desk
    from labeltune.collect.label.learner import Learner
    from labeltune.local.guard import Allowed

__all__ = ["Settings", "create_app"]

AHEAD = 12
"""Rows that a page holds: it shows the next one without asking for it."""
MAX_BODY = 1 << 20
MAX_SECONDS = 1e7
MAX_NAME = 100

_DOES = ("answer", "skip", "flag", "unflag", "again")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the page is told, and who may ask."""

    title: str
    annotator: str
    fixed: bool
    """Whether the annotator's name was told on the command line: then the page does not change it."""
    suggest: bool
    """Whether the page shows what a model would say,"""
    suggest_measured: bool
    """and whether on rows of the random sample, too: who sees a label is led by it."""
    token: str
    key: str | None
    write: Callable[[], Mapping[str, Any]]


def create_app(desk: Desk, learner: Learner, settings: Settings, allowed: Allowed) -> ASGIApp:
    """The app, with the guard before it: only pages of its own may ask, and only they change anything."""
    app = _App(desk, learner, settings)
    return Guard(app.router, allowed, token=settings.token)


class _Asked:
    """The fields of one request."""

    def __init__(self, values: Any) -> None:
        if not isinstance(values, dict):
            raise ApiError(400, "Expected a JSON object.")
        self._values = values
        self.page = self.text("page")
        known = values.get("rounds")
        self.rounds = known if isinstance(known, int) and known >= 0 else 0
        """How many rounds of training the page knows of."""
        self.held = [key for key in values.get("held", []) if isinstance(key, str)]

    def text(self, name: str, default: str | None = None) -> str:
        """A field that is a text of some length."""
        value = self._values.get(name, default)
        if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
            raise ApiError(400, f"Expected '{name}', a text of 1 to {MAX_NAME} characters.", param=name)
        return value

    @property
    def labels(self) -> Any:
        return self._values.get("labels")

    @property
    def seconds(self) -> float | None:
        """How long the row was looked at."""
        value = self._values.get("seconds")
        if not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= MAX_SECONDS:
            return None
        return round(float(value), 3)


class _App:
    def __init__(self, desk: Desk, learner: Learner, settings: Settings) -> None:
        self._desk, self._learner, self._settings = desk, learner, settings
        self._page = render(
            "label",
            {
                "page": {
                    "title": settings.title,
                    "token": settings.token,
                    "tokenHeader": TOKEN_HEADER,
                    "needsKey": settings.key is not None,
                }
            },
            served=True,
        )
        asked = {
            "/task": self._task,
            "/rows": self._rows,
            "/do": self._do,
            "/undo": self._undo,
            "/state": self._state,
            "/leave": self._leave,
            "/write": self._write,
        }
        self.router = Router(
            [
                Route("/", self._show, methods=["GET"]),
                *(Route(path, self._answering(answer), methods=["POST"]) for path, answer in asked.items()),
            ]
        )

    async def _show(self, _: Request) -> Response:
        headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
        return Response(self._page, media_type="text/html", headers=headers)

    def _answering(self, answer: Callable[[_Asked], object]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                self._check_key(request.headers.get("authorization", ""))
                body = await read_body(request, MAX_BODY)
                try:
                    asked = _Asked(orjson.loads(body))
                except orjson.JSONDecodeError as error:
                    raise ApiError(400, f"The body is no JSON: {error}.") from error
                return json_reply(answer(asked))
            except ApiError as error:
                return json_reply(error.body, error.status)
            except AnswerError as error:
                return json_reply(ApiError(400, f"Not an answer: {error}.").body, 400)
            except LabeltuneError as error:
                # The page says it in words, and keeps the row where it is.
                return json_reply(ApiError(507, with_hint(error)).body, 507)

        return endpoint

    def _check_key(self, authorization: str) -> None:
        if self._settings.key is None:
            return
        given = authorization.removeprefix("Bearer ").strip()
        # Digests have one length and are compared in constant time: the delay says nothing about the key.
        if not hmac.compare_digest(_digest(given), _digest(self._settings.key)):
            raise ApiError(401, "The key of this page is missing or wrong.", code="invalid_api_key")

    def _task(self, _: _Asked) -> object:
        return {
            "fields": questions_of(self._desk.task),
            "annotator": self._settings.annotator,
            "fixed": self._settings.fixed,
            "suggest": self._settings.suggest,
            "ahead": AHEAD,
            "rows": len(self._desk.rows),
            "columns": len({name for row in self._desk.rows.rows[:1000] for name, _ in row.shown}),
        }

    def _rows(self, asked: _Asked) -> object:
        annotator = asked.text("annotator")
        if (ranking := self._learner.news()) is not None:
            self._desk.rank(ranking)
        count = max(0, AHEAD - len(asked.held))
        cards = self._desk.deal(asked.page, annotator, asked.held, count)
        return {"rows": [self._shown(card, annotator) for card in cards], **self._counted(asked)}

    def _do(self, asked: _Asked) -> object:
        kind, annotator = asked.text("kind"), asked.text("annotator")
        if kind not in _DOES:
            raise ApiError(400, f"Expected 'kind' to be one of {', '.join(_DOES)}.", param="kind")
        key = "" if kind == "again" else asked.text("row")
        if key and key not in self._desk.rows.places:
            raise ApiError(404, "This row is not in the table.", param="row")
        labels = read_answer(self._desk.task, asked.labels) if kind == "answer" else None
        self._desk.do(
            kind,  # type: ignore[arg-type]  # one of the kinds, as was looked at
            request=asked.text("request"),
            annotator=annotator,
            key=key,
            labels=labels,
            seconds=asked.seconds,
        )
        if kind == "answer":
            self._learner.answered()
        return self._rows(asked)

    def _undo(self, asked: _Asked) -> object:
        annotator = asked.text("annotator")
        card = self._desk.undo(asked.text("request"), annotator)
        if card is not None:
            self._desk.deal(asked.page, annotator, [card["key"], *asked.held], 0)
        shown = None if card is None else self._shown(card, annotator)
        return {"row": shown, "rows": [], **self._counted(asked)}

    def _state(self, asked: _Asked) -> object:
        self._desk.stays(asked.page)
        return self._counted(asked)

    def _leave(self, asked: _Asked) -> object:
        self._desk.leaves(asked.page)
        return {}

    def _write(self, _: _Asked) -> object:
        return self._settings.write()

    def _counted(self, asked: _Asked) -> dict[str, Any]:
        counts = self._desk.counts(asked.text("annotator"))
        return {"counts": counts, "learning": self._learner.told(asked.rounds)}

    def _shown(self, card: dict[str, Any], annotator: str) -> dict[str, Any]:
        measured = self._desk.sample(card["key"]) == RANDOM
        shows = self._settings.suggest and (self._settings.suggest_measured or not measured)
        return card | {
            "suggested": card["suggested"] if shows else None,
            "flagged": self._desk.is_flagged(card["key"], annotator),
        }


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
