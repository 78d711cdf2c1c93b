"""Every code that a finding may have: how bad it is, what it means, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeltune.errors import Severity

__all__ = ["CATALOGUE", "Kind"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What all findings of one code have in common."""

    severity: Severity
    meaning: str
    advice: str


def _error(meaning: str, advice: str) -> Kind:
    return Kind("error", meaning, advice)


def _warning(meaning: str, advice: str) -> Kind:
    return Kind("warning", meaning, advice)


def _info(meaning: str, advice: str) -> Kind:
    return Kind("info", meaning, advice)


_MEND_RECORD = "Write the file with `labeltune convert DATA`, or mend the line."
_MEND_TABLE = "Mend the row in the program that wrote the table, and export it again."
_MEND_LABEL = "Mend the label in the table, or add it to the task file if it is meant."

CATALOGUE: dict[str, Kind] = {
    # the file
    "unreadable": _error(
        "The file cannot be read to its end, or holds nothing.",
        "Mend what the message names, or export it again.",
    ),
    "too_large": _error(
        "A chat file of more than 512 MB.", "Train on fewer rows, or split the file and train in turns."
    ),
    "too_few_examples": _error(
        "The training file has fewer than 10 examples, which no provider takes.",
        "Label more rows; 50 to 100 for each label are a good start.",
    ),
    # rows of a table
    "ragged_row": _error("A row has more or fewer columns than the header.", _MEND_TABLE),
    "broken_quotes": _error("A quote is opened and not closed, or followed by text.", _MEND_TABLE),
    "nul_byte": _error("A NUL byte: part of the file is not text.", _MEND_TABLE),
    "bad_byte": _error(
        "Bytes that are not UTF-8.", "Name the file's encoding with `--encoding`; the likely ones are named."
    ),
    "bad_value": _error("A value that has no text, such as a list within a list.", _MEND_TABLE),
    "column_clash": _warning(
        "A column is called like one that `predict` adds.",
        "`labeltune predict DATA --model MODEL --prefix input_` keeps it under another name.",
    ),
    "no_label": _error(
        "A row has no label in the column of a single field.", "Label the row, or take it out."
    ),
    "unknown_label": _error("A label that the task does not have.", _MEND_LABEL),
    "spaced_label": _error(
        "A label with space around it.",
        "`labeltune check FILE --fix OUT` takes the space off, and so does `--strip`.",
    ),
    "bad_flag": _error(
        "A label column of 0 and 1 holds something else.",
        "Write 1 where the label applies, else 0, or say in the task what stands there: `yes` and `no`.",
    ),
    "several_labels": _error(
        "A list of several labels in the column of a single field.",
        'Leave one of them, or make the field a multi field with `delimiter = "json"`.',
    ),
    "illegal_pair": _error(
        "A label does not stand under the parent label of its row.",
        "Mend the row, or add the pair to `[field.children]`.",
    ),
    "left_out": _info(
        "Rows without any label: the task has no answer for them, so they are left out of training.",
        'Give `none = "…"` in `[answer]` if the model is to learn that no label applies.',
    ),
    # records of a chat file
    "not_utf8": _error(
        "A chat file in UTF-16 or UTF-32, which providers cannot read.",
        "Save it as UTF-8, or write it with `labeltune convert DATA -o FILE`.",
    ),
    "not_lines": _error(
        "A chat file that is a JSON array, has objects over several lines, or is what Python writes.",
        "See the message: a chat file has one record on each line.",
    ),
    "byte_order_mark": _error(
        "A byte order mark at the start: providers take the first line for no JSON.",
        "`labeltune check FILE --fix OUT` takes it off.",
    ),
    "stray_comma": _error(
        "Commas behind the records, as in an array.", "`labeltune check FILE --fix OUT` takes them off."
    ),
    "bad_json": _error("A line that is not JSON.", _MEND_RECORD),
    "bad_record": _error("A line that is not an object with `messages`.", _MEND_RECORD),
    "empty_line": _error("An empty line between records.", "`labeltune check FILE --fix OUT` takes it out."),
    "unknown_key": _error(
        "A key that training files may not have.", "Take it out: providers refuse the whole file for it."
    ),
    "other_form": _error(
        "A record without `messages`, as of the older fine-tuning or of another tool.",
        "`labeltune import FILE` makes a table of prompts and completions, and of what other tools write.",
    ),
    "bad_messages": _error("`messages` is missing, empty or not a list.", _MEND_RECORD),
    "bad_message": _error("A message that is not an object.", _MEND_RECORD),
    "bad_role": _error("A message whose role is missing or unknown.", _MEND_RECORD),
    "bad_weight": _error("A weight that is not 0 or 1, or not on an assistant's message.", _MEND_RECORD),
    "bad_content": _error("A message without text.", _MEND_RECORD),
    "bad_tool_call": _error(
        "A call of a tool whose arguments are no string, or in a record without `tools`.",
        _MEND_RECORD,
    ),
    "untaught": _warning(
        "Records whose answer has the weight 0: nothing is learnt from them.",
        "Take the weight out, or the records.",
    ),
    "last_message": _error(
        "The last message is not the assistant's, so there is nothing to learn.",
        "End each record with the answer.",
    ),
    "empty_answer": _error("The assistant's message is empty.", "Give the answer, or take the record out."),
    "bad_answer": _error(
        "An answer that names no label of the task, or not in its format.",
        "Mend the answer: the model would learn to answer what cannot be read.",
    ),
    "respelt_answer": _warning(
        "An answer that can be read, yet is not spelled as the task spells it.",
        "Convert the table again: the model would learn two spellings of one answer.",
    ),
    "prompt_differs": _error(
        "The messages before the answer are not those that the task's prompt makes.",
        "Convert the table again with this task: predictions will use its prompt.",
    ),
    # texts
    "empty_text": _error(
        "A row or record without text.", "`labeltune check FILE --fix OUT` leaves such rows out."
    ),
    "cut_text": _warning(
        "A text as long as the longest that a workbook holds: the rest was likely cut off there.",
        "Take the texts from where they were before the workbook.",
    ),
    "spaced_text": _warning(
        "Space around the text in a record: predictions are asked without it.",
        "`labeltune check FILE --fix OUT` takes it off.",
    ),
    "special_token": _error(
        "A text holds a special token such as `<|endoftext|>`, for which providers refuse the file.",
        "Take it out of the text.",
    ),
    "too_long": _error(
        "An example over the model's token limit: its end, where the label stands, would be cut off.",
        "Shorten the text, or take the row out.",
    ),
    # rows beside each other
    "duplicate": _warning(
        "A text that the same file holds already, with the same labels.",
        "`labeltune check FILE --fix OUT` keeps the first one. It counts twice in training and in scores.",
    ),
    "repeated": _info(
        "Records of a training file that repeat the one before them: rare labels, as "
        "`labeltune convert DATA --repeat-rare 5` writes them.",
        "Nothing, if it is meant: they count once more each, in training and in its price. "
        "`labeltune check FILE --fix OUT` leaves them out.",
    ),
    "contradiction": _warning(
        "A text that the same file holds already, with other labels.",
        "Decide which labels are right: the model cannot learn both.",
    ),
    "near_duplicate": _info(
        "A text that differs from an earlier one in case, punctuation and space only, or by little.",
        "Look at them; `labeltune split DATA` keeps them in one part.",
    ),
    "near_contradiction": _warning(
        "A text nearly equal to an earlier one of the same file, with other labels.",
        "Look at both: one of them may be labelled wrongly.",
    ),
    "overlap": _error(
        "A text that an earlier file holds too: the scores would be too good.",
        "Split again with `labeltune split DATA`, which keeps equal texts in one part.",
    ),
    "near_overlap": _warning(
        "A text nearly equal to one in an earlier file.",
        "Split again with `labeltune split DATA`, which keeps such texts in one part.",
    ),
    "synthetic_in_test": _error(
        "A row of the test file that a model wrote (`source` is `synthetic`): the scores would tell how well "
        "models agree.",
        "Split again with `labeltune split DATA`, which keeps such rows out of the parts that measure.",
    ),
    # labels
    "nothing_to_learn": _error(
        "All rows of the training file have one label, or all answers the weight 0.",
        "Take in rows with the other labels, and check what made the file.",
    ),
    "absent_label": _warning(
        "A label of the task that a file has no row of.",
        "It cannot be learnt, or not be measured: label some rows, or take it out of the task.",
    ),
    "rare_label": _warning(
        "A label with fewer than 10 rows in the training file.",
        "Label more rows of it: 10 are few, 100 are good.",
    ),
    "few_rows": _info(
        "Labels with fewer than 100 rows in the training file.",
        "Providers advise 50 to 100 rows for each label.",
    ),
    "imbalance": _warning(
        "The most frequent label of a field has over 20 times as many rows as the rarest.",
        "If this is not how they will come later, label more rows of the rare ones.",
    ),
    "doubtful_label": _warning(
        "With `--noise`: a label that models which have not seen the row think wrong.",
        "Look at them in the table of suspects, fill in `correct_label`, and put the corrections in with "
        "`labeltune merge suspects.csv FILE -o OUT`. They are candidates: a rare meaning looks wrong, too.",
    ),
    # what should not leave the house
    "secret": _warning(
        "What looks like a key, a token or a private key.",
        "Take it out, and have it revoked if it is real: training data is sent to the provider.",
    ),
    "email": _warning("An e-mail address.", "Replace it if the text is not to identify a person."),
    "card_number": _warning(
        "A number that passes the check of card numbers (Luhn).", "Replace it: it may be a payment card's."
    ),
}
"""In the order of the documentation, which holds every one of them."""
