#!/bin/sh
# Tag comments with any of six labels: toxic, severe_toxic, obscene, threat, insult, identity_hate.
#
#     LABELTUNE_PROVIDER=local sh examples/toxic_comments.sh          on this machine, no key, no cost
#     OPENAI_API_KEY=sk-…      sh examples/toxic_comments.sh          the same commands against OpenAI
#     sh examples/toxic_comments.sh FOLDER                            work in FOLDER instead of ./demo/…
#
# MODEL names another base model. customer_inquiries.sh explains the steps that both scripts share; the
# comments here are about what is different when a text may have several labels, or none.
set -eu

data=$(CDPATH='' cd -- "$(dirname -- "$0")/../data" && pwd)/comments.csv
work=${1:-demo/toxic_comments}

case ${LABELTUNE_PROVIDER:-openai} in
    local) MODEL=${MODEL:-linear} ;;
    *) MODEL=${MODEL:-gpt-4.1-mini-2025-04-14} ;;
esac

say() { printf '\n==> %s\n' "$*" >&2; }

mkdir -p -- "$work"
cd -- "$work"

say "1. Describe the task: one field with six labels, each a column of 0 and 1"
# An answer lists the labels that apply: "toxic,insult". {labels} in the prompt becomes the list of all of them.
#
# --none says what is answered when none applies. Without it such rows have no answer to learn, so they are left
# out of training: that is how the well-known tutorial does it, and its model never sees a clean comment. Here
# four in five comments are clean, and a model that cannot say so would find something toxic in each of them.
labeltune init "$data" --force \
    --id id --text comment_text \
    --label toxic --label severe_toxic --label obscene --label threat --label insult --label identity_hate \
    --answer list --none none \
    --system 'John is a linguistic expert' \
    --user 'Assign labels to this comment from the following labels list. Comment: {text}. labels list: {labels}'

say "2. The whole way with $MODEL: split, convert, check, train, predict, evaluate"
# `run` prints each step as the command that it is, and does only what is not done when it is run again.
# The parts are stratified by the combination of labels: fewer than 3 in 100 comments hold a threat, and a test
# part that got none of them could not measure it. The validation part does more here than show the loss: the
# linear model chooses on it, for each label, how probable a label must be before it is given.
# Exit code 3 says: finished, but some rows have no valid answer. The report counts them as wrong, so go on.
labeltune run "$data" -o . --model "$MODEL" --sizes train=0.7,validation=0.15,test=0.15 || {
    code=$?
    [ "$code" -eq 3 ] || exit "$code"
}
head -n 1 train.jsonl

say "3. The report as text"
# Macro-F1 is the mean over the labels, the rare ones counting as much as the frequent ones. Accuracy would be
# a bad measure: a model that answers "none" to everything is right four times in five.
labeltune evaluate predictions.csv > report.txt
cat report.txt

say "4. The gate: exit code 11 below it"
# The linear model reaches a macro-F1 of about 0.8.
labeltune evaluate predictions.csv --fail-under macro_f1=0.60 > /dev/null
