"use strict";
// A text, the probabilities of its labels as bars, and the words that decided.

const MOST_BARS = 10;
const MOST_WORDS = 12;
const percent = (share) => `${number(100 * share, 1)} %`;
let asked = 0;

async function askModel(event) {
  event.preventDefault();
  const [name, text] = [place("model").value, place("text").value.trim()];
  if (!name || !text) return;
  const turn = ++asked;
  place("ask-button").setAttribute("aria-busy", "true");
  const messages = messagesOf(name, text.toWellFormed?.() ?? text);
  const chat = call("/chat/completions", { model: name, messages, logprobs: true, top_logprobs: 20 });
  const why = call("/labeltune/explanations", { model: name, messages }).catch((error) => error);
  try {
    const [choice, reasons] = [(await chat).choices[0], await why];
    // A later question may have been answered first.
    if (turn === asked) place("answer").replaceChildren(...answerParts(choice, reasons, text, name));
  } catch (error) {
    if (turn === asked) place("answer").replaceChildren(element("p", "unmet", error.message));
  } finally {
    if (turn === asked) place("ask-button").removeAttribute("aria-busy");
  }
}

function answerParts(choice, why, text, name) {
  const parts = [];
  const told = element("p", "verdict");
  const label = element("bdi", "", choice.message.content);
  told.append("Answer: ", label);
  parts.push(told);
  if (why instanceof Error) {
    parts.push(...tokenBars(choice), element("p", "soft", why.message));
    return parts;
  }
  const decided = new Set(why.reasons.filter((reason) => reason.chosen).map((reason) => reason.label));
  why.decisions.forEach((labels, place_) => {
    const title = why.decisions.length > 1 ? `Question ${place_ + 1}` : "Probabilities";
    parts.push(element("h3", "", title), bars(labels, decided));
  });
  for (const reason of why.reasons) parts.push(...reasonParts(reason, text, name));
  return parts;
}

// Of an engine that cannot say why, the alternatives to each token that was a decision.
function tokenBars(choice) {
  return (choice.logprobs?.content ?? [])
    .filter((token) => token.top_logprobs.length > 1)
    .map((token) => {
      const labels = token.top_logprobs.map((one) => ({ label: one.token, probability: Math.exp(one.logprob) }));
      return bars(labels, new Set([token.token]));
    });
}

function bars(labels, decided) {
  const list = element("ul", "bars");
  const sorted = [...labels].sort((a, b) => b.probability - a.probability);
  for (const { label, probability } of sorted.slice(0, MOST_BARS)) {
    const item = element("li", decided.has(label) ? "decided" : "");
    const name = element("span", "label", label);
    name.dir = "auto";
    const track = element("span", "track");
    const bar = element("div", "bar");
    bar.style.width = `${100 * Math.min(1, probability)}%`;
    track.append(bar);
    item.append(name, track, element("span", "share", percent(probability)));
    list.append(item);
  }
  if (sorted.length > MOST_BARS) list.append(element("li", "soft", `and ${number(sorted.length - MOST_BARS)} more`));
  return list;
}

function reasonParts(reason, text, name) {
  const title = element("h3");
  title.append(reason.chosen ? "Why " : "What spoke for ", element("bdi", "", reason.label));
  if (reason.against !== null) title.append(" rather than ", element("bdi", "", reason.against));
  if (reason.words.length === 0) {
    return [title, element("p", "", "No word of the text is one that the model knows.")];
  }
  const hint = element(
    "p",
    "soft",
    "Underlined words spoke for it, dashed ones against. A number is what the word adds to the logarithm of the odds: " +
      "0.7 doubles them.",
  );
  return [title, marked(reason, text, name), wordTable(reason), hint];
}

// The text with its words marked. Places count code points, as Python does, and not the halves of JavaScript.
function marked(reason, text, name) {
  const [message, begin] = placeOfText(name);
  const characters = [...text];
  const strongest = Math.max(...reason.words.map((word) => Math.abs(word.weight)));
  const shown = element("p", "why");
  shown.dir = "auto";
  let done = 0;
  for (const word of reason.words) {
    const [start, end] = [word.start - begin, word.end - begin];
    const share = Math.abs(word.weight) / strongest;
    if (word.message !== message || start < done || end > characters.length || share < 0.05) continue;
    shown.append(characters.slice(done, start).join(""));
    const side = word.weight > 0 ? "for" : "against";
    shown.append(element("mark", share > 0.4 ? `${side} strong` : side, characters.slice(start, end).join("")));
    done = end;
  }
  shown.append(characters.slice(done).join(""));
  return shown;
}

function wordTable(reason) {
  const details = element("details");
  details.append(element("summary", "", "The words that counted most"));
  const table = element("table");
  const head = element("tr");
  for (const name of ["Word", "Adds"]) {
    const title = element("th", "", name);
    title.scope = "col";
    head.append(title);
  }
  const body = element("tbody");
  const words = [...reason.words].sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, MOST_WORDS);
  const rows = words.map((word) => [word.text, word.weight]);
  if (Math.abs(reason.rest) >= 0.005) rows.push(["the text as a whole", reason.rest]);
  rows.push(["what every text has", reason.bias], ["all together", reason.score]);
  for (const [text, weight] of rows) {
    const row = element("tr");
    const word = element("td", "name", text);
    word.dir = "auto";
    row.append(word, element("td", "", `${weight > 0 ? "+" : ""}${number(weight, 2)}`));
    body.append(row);
  }
  const top = element("thead");
  top.append(head);
  table.append(top, body);
  details.append(table);
  return details;
}

document.addEventListener("DOMContentLoaded", () => {
  place("ask-form").addEventListener("submit", askModel);
  place("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) askModel(event);
  });
});
