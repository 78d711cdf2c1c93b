"""What is exported: items one by one, with the fields that their labels belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.task.chat import TEXT_JOINER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from labeltune.collect.exchange.items import Item, Tally
    from labeltune.task import Field

__all__ = ["Sheet"]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The items that a format writes. A format that knows one field only uses `only`."""

    items: Iterator[Item]
    fields: tuple[Field, ...]
    tally: Tally

    @property
    def only(self) -> Field:
        """The field, where the format has place for one."""
        return self.fields[0]

    def text_of(self, item: Item) -> str:
        """The text of an item; several columns are joined by a blank line, as in prompts."""
        if len(item.texts) == 1:
            return next(iter(item.texts.values()))
        self.tally.note("several columns of text are joined by a blank line, and come back as one")
        return TEXT_JOINER.join(text for text in item.texts.values() if text.strip())

    def others(self, item: Item, *, taken: Collection[str]) -> dict[str, object]:
        """The other columns of an item, under their names; `meta_NAME` where the format has the name."""
        return {f"meta_{name}" if name in taken else name: value for name, value in item.extra.items()}
