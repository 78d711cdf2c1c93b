"""The tasks that tests use again and again, and tables for them."""

from __future__ import annotations

import json

from labeltune.task import parse_task


def intent_toml(*labels: str) -> str:
    """The plainest task: one single field of these labels, in the column `label` of a table with `text`."""
    return f"""\
version = 1
text = ["text"]

[[field]]
name = "intent"
type = "single"
column = "label"
labels = {json.dumps(labels)}

[prompt]
system = "Name the intent."
user = "{{text}}"

[answer]
format = "label"
"""


TOXIC_LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")

TOXIC_TOML = """\
version = 1
text = ["comment_text"]
id = "id"

[[field]]
name = "toxicity"
type = "multi"
columns = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
labels = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]

[prompt]
system = "John is a linguistic expert"
user = "Assign labels to this comment from the following labels list. Comment: {text}. labels list: {labels}"

[answer]
format = "list"
separator = ","
none = ""
"""

INQUIRY_TOML = """\
version = 1
text = ["inquiry"]

[[field]]
name = "category"
type = "single"
column = "category"
labels = ["Order Management", "Billing"]

[[field]]
name = "sub_category"
type = "single"
column = "sub_category"
labels = ["Cancellation", "Tracking", "Refund", "Invoice"]
parent = "category"
[field.children]
"Order Management" = ["Cancellation", "Tracking"]
Billing = ["Refund", "Invoice", "Cancellation"]

[prompt]
system = "Classify the user message into a category and sub-category and output the result as JSON."
user = "{text}"

[answer]
format = "json"
"""

INTENT_TOML = intent_toml("card_arrival", "Refund_not_showing_up", "lost card")

EMOTION_TOML = """\
version = 1
text = ["text"]
id = "id"

[[field]]
name = "emotions"
type = "multi"
column = "labels"
delimiter = "|"
labels = ["joy", "anger", "neutral"]

[prompt]
system = "Say for each emotion whether the text shows it."
user = "{text}"

[answer]
format = "flags"
"""

TOXIC = parse_task(TOXIC_TOML)
INQUIRY = parse_task(INQUIRY_TOML)
INTENT = parse_task(INTENT_TOML)
EMOTION = parse_task(EMOTION_TOML)
ALL_TASKS = (TOXIC, INQUIRY, INTENT, EMOTION)
