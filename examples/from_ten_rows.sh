#!/bin/sh
# From ten labelled rows of each label to a model: a large model labels more rows and writes some, a person
# checks twenty, and a model of this machine is trained on all of it.
#
#     sh examples/from_ten_rows.sh                                     no key, no cost: a stand-in plays the large model
#     TEACHER=openai TEACHER_MODEL=gpt-4.1 OPENAI_API_KEY=sk-… sh examples/from_ten_rows.sh
#     sh examples/from_ten_rows.sh FOLDER                              work in FOLDER instead of ./demo/…
#
# TEACHER is a provider as --provider takes it. Without it stand_in_teacher.py is started: it answers from
# templates and is no model, so that the figures of such a run say nothing of what a large model would do.
# LABELTUNE_PROVIDER (local) is where the small model is trained, MODEL its base.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
data=$(CDPATH='' cd -- "$here/../data" && pwd)/customer_inquiries.csv
work=${1:-demo/from_ten_rows}
python=${PYTHON:-python3}

export LABELTUNE_PROVIDER="${LABELTUNE_PROVIDER:-local}"
case $LABELTUNE_PROVIDER in
    local) MODEL=${MODEL:-linear} ;;
    *) MODEL=${MODEL:-gpt-4.1-mini-2025-04-14} ;;
esac

say() { printf '\n==> %s\n' "$*" >&2; }

# Exit code 3 says: finished, but some rows have no valid answer, or some texts could not be had. Go on.
or_some() { "$@" || { code=$?; [ "$code" -eq 3 ] || exit "$code"; }; }

mkdir -p -- "$work"
cd -- "$work"

if [ -z "${TEACHER:-}" ]; then
    say "0. No TEACHER: a stand-in that answers from templates plays the large model"
    rm -f teacher.url
    "$python" "$here/stand_in_teacher.py" --url-file teacher.url &
    stand_in=$!
    trap 'kill "$stand_in" 2> /dev/null || true' EXIT
    tries=0
    until [ -s teacher.url ]; do
        tries=$((tries + 1))
        [ "$tries" -le 300 ] || { echo "the stand-in does not start" >&2; exit 1; }
        sleep 0.1
    done
    TEACHER=$(cat teacher.url)
fi
model=${TEACHER_MODEL:-stand-in}

say "1. Ten labelled rows of each sub-category, an inbox whose labels nobody knows, and two parts to measure on"
# The data set has labels for all rows; those of the inbox are taken away, and kept to play the person with.
labeltune init "$data" --force
labeltune split "$data" --sizes few=0.4,answers=0.2,validation=0.2,test=0.2
"$python" "$here/table_edits.py" blank answers.csv inbox.csv category sub_category

say "2. Say what the labels mean: the large model proposes a sentence for each, into task.toml"
labeltune annotate few.csv --describe --model "$model" --provider "$TEACHER"

say "3. Have it label the inbox. What it is not sure of goes to annotated.review.csv"
or_some labeltune annotate inbox.csv --examples few.csv --model "$model" --provider "$TEACHER" \
    --review-below 0.55 --sample 20

say "4. A person labels twenty rows without seeing the model's labels: how often do they agree?"
"$python" "$here/table_edits.py" fill annotated.sample.csv "$data" \
    correct_category=category correct_sub_category=sub_category
labeltune annotate annotated.csv --checked annotated.sample.csv | tee agreement.txt

say "5. Have it write rows until each label has fifteen. Nothing comes near the test part"
or_some labeltune generate few.csv --to 15 --away-from test.csv --validation validation.csv \
    --model "$model" --provider "$TEACHER"

say "6. One table of what people and the model labelled, and of what it wrote"
"$python" "$here/table_edits.py" merge train.csv few.csv annotated.csv synthetic.csv

say "7. Train a model of this machine, predict the test part, and measure"
trained=$(labeltune train train.csv validation.csv --model "$MODEL" --suffix few)
or_some labeltune predict test.csv --model "$trained" > /dev/null
labeltune baseline few.csv test.csv -o ten_rows_alone.csv
labeltune evaluate predictions.csv --compare ten_rows_alone.csv > report.txt
cat report.txt
