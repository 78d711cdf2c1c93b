"use strict";
// The desk: one row is shown, those after it are here already, and each answer is on the server's disk before
// the next row is shown.

const KEYS = [..."123456789abcdeghijklmnopqrstuvwxy0-"]; // F flags and Z undoes
const FOLD_CHARACTERS = 1500;
const FOLD_LINES = 14;
const FOUND_AT_MOST = 20;
const LOOK_MS = 4000;

function labelRows() {
  const page = JSON.parse(document.getElementById("page").textContent);
  const at = Object.fromEntries([...document.querySelectorAll("[id]")].map((one) => [one.id, one]));
  const tab = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());
  let task = null;
  let annotator = "";
  let key = sessionStorage.getItem("labeltune-key") ?? "";
  let queue = []; // the row that is shown, and those after it
  let step = 0; // the field that is asked
  let chosen = []; // by field
  let busy = 0; // things that are under way, or wait for it
  let last = Promise.resolve();
  let sent = null; // the answer under way, or refused: sent again under the same name
  let rounds = []; // of training, that were told so far
  let shownAt = 0;
  let away = 0;
  let leftAt = null;

  // ---- asking the server

  class Refused extends Error {}

  async function ask(path, values) {
    const headers = { "Content-Type": "application/json", [page.tokenHeader]: page.token };
    if (key) headers.Authorization = `Bearer ${key}`;
    const body = JSON.stringify({ page: tab, annotator, rounds: rounds.length, ...values });
    let reply;
    try {
      reply = await fetch(path, { method: "POST", headers, body });
    } catch {
      throw new Refused("Not saved: the server does not answer. Start the command again, then load this page again.");
    }
    const found = await reply.json().catch(() => null);
    if (reply.ok && found) return found;
    const refused = new Refused(found?.error?.message ?? `Not saved: the server answered with ${reply.status}.`);
    refused.status = reply.status;
    throw refused;
  }

  function tell(problem) {
    if (!(problem instanceof Refused)) throw problem;
    at.problem.textContent = problem.status === 507 ? `Not saved. ${problem.message}` : problem.message;
    at.problem.hidden = false;
    if (problem.status === 401) lock();
  }

  // One thing at a time. A label that is pressed while another one is on its way was not meant for the row that
  // comes next; what is taken back may be asked for several times at once.
  function once(work, waits = false) {
    if (busy && !waits) return Promise.resolve();
    busy += 1;
    last = last.then(async () => {
      try {
        await work();
        at.problem.hidden = true;
      } catch (problem) {
        tell(problem);
      } finally {
        busy -= 1;
      }
    });
    return last;
  }

  const request = () => (crypto.randomUUID ? crypto.randomUUID() : `${tab}-${performance.now()}`);
  const keysOf = (rows) => rows.map((row) => row.key);

  // ---- showing

  const row = () => queue[0] ?? null;
  const field = () => task.fields[step];
  const searches = () => options().length > KEYS.length;

  function options() {
    const { parent, children, labels } = field();
    return parent === null ? labels : (children[chosen[parent][0]] ?? []);
  }

  function show() {
    const one = row();
    at.desk.hidden = one === null;
    at.over.hidden = one !== null;
    if (one === null) return showOver();
    step = 0;
    const before = one.was ?? one.suggested;
    chosen = task.fields.map(({ type }, n) => (type === "multi" && before ? [...before[n]] : []));
    showText(one);
    showStep();
    showFlag();
    at.suggestion.hidden = !one.suggested;
    if (one.suggested) at.suggestion.textContent = `Suggested: ${one.suggested.map((found) => found.join(", ") || "none").join(" › ")}`;
    at.row.focus({ preventScroll: true });
    scrollTo(0, 0);
    [shownAt, away, leftAt] = [performance.now(), 0, document.hidden ? performance.now() : null];
  }

  function showText(one) {
    at.row.replaceChildren();
    for (const [name, text] of one.parts) {
      if (task.columns > 1) at.row.append(element("div", "column", name));
      const value = element("p", "value", text);
      value.dir = "auto";
      at.row.append(value);
    }
    const long = one.parts.reduce((sum, [, text]) => sum + text.length, 0);
    const lines = one.parts.reduce((sum, [, text]) => sum + text.split("\n").length, 0);
    const folds = long > FOLD_CHARACTERS || lines > FOLD_LINES;
    at.row.classList.toggle("folded", folds);
    at.unfold.hidden = !folds;
    at.unfold.textContent = `Show all ${long.toLocaleString("en")} characters`;
  }

  function showStep() {
    const { name, type } = field();
    const above = chosen.slice(0, step).map((found) => found.join(", ") || "none");
    at.question.textContent = [...above, type === "multi" ? `${name}: any number` : name].join(" › ");
    at.finder.hidden = !searches();
    for (const id of ["flag", "undo"]) at[id].lastElementChild.textContent = (searches() ? "Shift " : "") + (id === "flag" ? "F" : "Z");
    at.search.value = "";
    at.back.hidden = step === 0;
    at.take.hidden = type === "single" && !(step === 0 && row().suggested);
    at.take.firstElementChild.textContent = type === "single" ? "Take the suggestion" : "Save";
    showLabels();
  }

  function found() {
    if (!searches()) return options();
    const wanted = at.search.value.trim().toLowerCase();
    const rank = (label) => {
      const text = label.toLowerCase();
      if (text.startsWith(wanted)) return 0;
      return text.includes(` ${wanted}`) ? 1 : text.includes(wanted) ? 2 : 3;
    };
    const ranked = options().map((label, n) => [rank(label), n, label]).filter(([place]) => place < 3);
    return ranked.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, , label]) => label);
  }

  function showLabels() {
    const labels = found();
    const shown = searches() ? labels.slice(0, FOUND_AT_MOST) : labels;
    at.labels.replaceChildren(...shown.map((label, n) => button(label, searches() ? (n === 0 && at.search.value ? "Enter" : "") : KEYS[n])));
    const missing = labels.length - shown.length;
    at.rest.hidden = missing === 0 && labels.length > 0;
    at.rest.textContent = labels.length === 0 ? "No label is spelled like that." : `${missing.toLocaleString("en")} more: type to find them`;
  }

  function button(label, sign) {
    const made = element("button");
    made.type = "button";
    const text = element("span", "", label);
    text.dir = "auto";
    if (sign) made.append(element("kbd", "", sign.length > 1 ? sign : sign.toUpperCase()));
    if (sign && sign !== "Enter") made.setAttribute("aria-keyshortcuts", sign);
    made.append(text);
    const multi = field().type === "multi";
    const on = multi ? chosen[step].includes(label) : (row().was?.[step] ?? []).includes(label);
    if (multi || on) made.setAttribute("aria-pressed", String(on));
    if ((row().suggested?.[step] ?? []).includes(label)) made.classList.add("suggested");
    made.addEventListener("click", () => choose(label));
    return made;
  }

  function showFlag() {
    at.flag.setAttribute("aria-pressed", String(row().flagged));
    at.flag.firstElementChild.textContent = row().flagged ? "Flagged" : "Flag";
  }

  function showOver() {
    const { skipped } = lastCounts;
    at["over-text"].textContent = skipped
      ? `All rows that are yours are answered but ${skipped.toLocaleString("en")}, which you skipped.`
      : "All rows that are yours are answered. The table can be written.";
    at.again.hidden = skipped === 0;
    at["over-title"].focus();
  }

  let lastCounts = { skipped: 0 };

  function showState({ counts, learning }) {
    lastCounts = counts;
    const number = (n) => n.toLocaleString("en");
    const said = [`${number(counts.answered)} of ${number(counts.rows)} answered`];
    if (counts.skipped) said.push(`${number(counts.skipped)} skipped`);
    if (counts.flagged) said.push(`${number(counts.flagged)} flagged`);
    at.counts.textContent = said.join(" · ");
    rounds = [...rounds.slice(0, learning.known), ...learning.rounds];
    showLearning({ ...learning, rounds }, at);
  }

  // ---- doing

  function choose(label) {
    if (busy || !row()) return;
    if (field().type === "multi") {
      const has = chosen[step].includes(label);
      chosen[step] = has ? chosen[step].filter((one) => one !== label) : [...chosen[step], label];
      at.search.value = "";
      showLabels();
      at.status.textContent = `${label}: ${has ? "off" : "on"}`;
      at.row.focus({ preventScroll: true });
      return;
    }
    chosen[step] = [label];
    next();
  }

  function next() {
    if (step + 1 === task.fields.length) return answer(chosen);
    step += 1;
    const left = options();
    if (field().type === "single" && left.length === 1) return choose(left[0]);
    showStep();
    at.row.focus({ preventScroll: true });
    at.status.textContent = at.question.textContent;
  }

  function back() {
    if (step === 0) return;
    do step -= 1;
    while (step > 0 && field().type === "single" && options().length === 1);
    if (field().type === "single") chosen[step] = [];
    showStep();
  }

  function take() {
    if (searches() && at.search.value) {
      const [first] = found();
      return first === undefined ? undefined : choose(first);
    }
    if (step === 0 && field().type === "single" && row().suggested) return answer(row().suggested);
    if (field().type === "multi") return next();
  }

  const answer = (labels) => once(async () => {
    const text = labels.map((of) => of.join(", ") || "none").join(" › ");
    await done({ kind: "answer", labels });
    at.status.textContent = `Saved: ${text}`;
  }).then(() => {
    if (!at.problem.hidden && row() && field().type === "single" && step === task.fields.length - 1) chosen[step] = [];
  });

  const skip = () => once(async () => {
    await done({ kind: "skip" });
    at.status.textContent = "Skipped";
  });

  async function done(what) {
    const name = JSON.stringify([row().key, what]);
    if (sent?.name !== name) sent = { name, request: request(), seconds: seconds() };
    const rest = queue.slice(1);
    const reply = await ask("/do", {
      ...what, row: row().key, request: sent.request, seconds: sent.seconds, held: keysOf(rest),
    });
    sent = null;
    queue = [...rest, ...reply.rows];
    showState(reply);
    show();
  }

  const flag = () => once(async () => {
    const one = row();
    const kind = one.flagged ? "unflag" : "flag";
    const reply = await ask("/do", { kind, row: one.key, request: request(), held: keysOf(queue) });
    one.flagged = !one.flagged;
    queue.push(...reply.rows);
    showFlag();
    showState(reply);
    at.status.textContent = one.flagged ? "Flagged" : "Not flagged";
  });

  const undo = () => once(async () => {
    const reply = await ask("/undo", { request: request(), held: keysOf(queue) });
    showState(reply);
    if (reply.row === null) {
      at.status.textContent = "There is nothing to undo";
      return;
    }
    queue = [reply.row, ...queue.filter((one) => one.key !== reply.row.key)];
    show();
    at.status.textContent = "Taken back";
  }, true);

  const again = () => once(async () => {
    const reply = await ask("/do", { kind: "again", request: request(), held: [] });
    queue = reply.rows;
    showState(reply);
    show();
  });

  const write = () => once(async () => {
    const { output, answers } = await ask("/write", {});
    const text = answers ? `${output}: ${answers.toLocaleString("en")} answers written` : "There is no answer to write yet";
    [at.said.textContent, at.said.hidden, at.status.textContent] = [text, false, text];
  });

  async function fill() {
    const reply = await ask("/rows", { held: [] });
    queue = reply.rows;
    showState(reply);
    show();
  }

  function seconds() {
    const now = performance.now();
    const hidden = away + (leftAt === null ? 0 : now - leftAt);
    return Math.max(0, now - shownAt - hidden) / 1000;
  }

  // ---- keys

  const KEY_HELP = [
    ["1 to 9, then letters", "the label that shows the key; of several labels each is put on and off"],
    ["Enter", "saves several labels, or takes the suggestion"],
    ["Space", "skips the row"],
    ["F", "flags the row, or no longer"],
    ["Z", "takes back the last answer or skip, as often as wanted"],
    ["Esc", "back from the child to its parent"],
    [".", "shows all of a long text"],
    ["letters", "where there are more than 35 labels: finds them; then Enter takes the first, and Shift goes with F and Z"],
    ["?", "shows this"],
  ];

  function pressed(event) {
    const sign = event.key.length === 1 && event.key.charCodeAt(0) > 127 ? event.code.replace(/^(Key|Digit|Numpad)/, "") : event.key;
    if (sign.length > 1 || event.shiftKey) return sign;
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
    // On some keyboards digits need Shift: the place of the key counts.
    return digit && !/[a-z0-9]/i.test(sign) && sign !== "-" ? digit[1] : sign.toLowerCase();
  }

  function act(event) {
    const sign = pressed(event);
    const typing = event.target === at.search;
    if (!row()) return sign.toLowerCase() === "z" ? undo() : false;
    if (sign === "Enter") return take();
    if (sign === "Escape" || (sign === "Backspace" && !typing)) return back();
    if (sign === " " && !(typing && at.search.value)) return skip();
    if (sign === "F" || (sign === "f" && !searches())) return flag();
    if (sign === "Z" || (sign === "z" && !searches())) return undo();
    if (sign === "." && !typing) return unfold();
    if (searches()) {
      if (!typing && sign.length === 1 && sign !== " ") at.search.focus();
      return false;
    }
    const label = options()[KEYS.indexOf(sign.toLowerCase())];
    return label === undefined ? false : choose(label);
  }

  function keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || at.help.open) return;
    const { target } = event;
    if (target !== at.search && target.matches("input, select, textarea")) return;
    if (event.key === "?" && !(target === at.search && at.search.value)) {
      event.preventDefault();
      return openHelp();
    }
    if (task === null || !at["single-keys"].checked) return;
    // A button that somebody went to with Tab is theirs to press.
    if (target.matches("button") && (event.key === "Enter" || event.key === " ")) return;
    if (event.repeat) return;
    if (act(event) !== false) event.preventDefault();
  }

  function openHelp() {
    at["key-list"].replaceChildren(...KEY_HELP.flatMap(([sign, text]) => {
      const term = element("dt");
      term.append(element("kbd", "", sign));
      return [term, element("dd", "", text)];
    }));
    at.help.showModal();
  }

  function unfold() {
    at.row.classList.remove("folded");
    at.unfold.hidden = true;
  }

  // ---- beginning

  function lock() {
    at.desk.hidden = true;
    at.unlock.hidden = false;
    at.key.focus();
  }

  async function begin() {
    if (page.needsKey && !key) return lock();
    at.unlock.hidden = true;
    await once(async () => {
      annotator = annotator || "me";
      task = await ask("/task", {});
      const kept = task.fixed ? null : localStorage.getItem("labeltune-annotator");
      annotator = kept || task.annotator;
      at.annotator.value = annotator;
      at.annotator.readOnly = task.fixed;
      at.who.hidden = false;
      await fill();
    });
  }

  at.unlock.addEventListener("submit", (event) => {
    event.preventDefault();
    key = at.key.value.trim();
    sessionStorage.setItem("labeltune-key", key);
    begin();
  });
  at.annotator.addEventListener("change", () => once(async () => {
    const name = at.annotator.value.trim();
    at.annotator.value = name || annotator;
    if (!name || name === annotator) return;
    annotator = name;
    localStorage.setItem("labeltune-annotator", name);
    await fill();
  }));
  at.search.addEventListener("input", showLabels);
  const clicks = { take, back, skip, flag, undo, again, write, unfold, keys: openHelp, "undo-last": undo };
  for (const [id, work] of Object.entries(clicks)) at[id].addEventListener("click", () => work());
  at["close-help"].addEventListener("click", () => at.help.close());
  document.addEventListener("keydown", keydown);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) leftAt = performance.now();
    else if (leftAt !== null) [away, leftAt] = [away + performance.now() - leftAt, null];
  });
  addEventListener("pagehide", () => {
    // The rows that are here may be asked elsewhere.
    const headers = { "Content-Type": "application/json", [page.tokenHeader]: page.token };
    if (key) headers.Authorization = `Bearer ${key}`;
    fetch("/leave", { method: "POST", headers, keepalive: true, body: JSON.stringify({ page: tab, annotator: annotator || "me" }) }).catch(() => {});
  });
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  setInterval(() => {
    if (task !== null && !busy) ask("/state", {}).then(showState, () => {});
  }, LOOK_MS);
  begin();
}

// ---- what the labels teach

function showLearning({ every, base, working, refused, model, rounds }, at) {
  at.learning.hidden = false;
  const state = JSON.stringify([working, refused, rounds.length]);
  if (at.learning.dataset.state === state) return;
  at.learning.dataset.state = state;
  const last = rounds.at(-1);
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const begins = `Every ${every} answered rows, ${base} is trained on them${model ? ` beside ${model}` : ""}.`;
  if (!last) {
    at.learnt.textContent = refused ? `${begins} Not yet: ${refused}` : working ? `${begins} It is at work for the first time.` : begins;
    return;
  }
  const where = last.random
    ? `${last.rows.toLocaleString("en")} rows drawn by chance`
    : `all ${last.rows.toLocaleString("en")} answered rows, as few of them were drawn by chance`;
  at.learnt.textContent = `With ${last.labels.toLocaleString("en")} labels, ${percent(last.right / last.rows)} right (${percent(last.low)} to ${percent(last.high)}), measured on ${where}, each by a model that had not seen it.${working ? " The next model is at work." : ""}`;
  const points = (share) => `${(100 * share).toFixed(1)} points`;
  at.pays.textContent = last.pays
    ? `Twice the labels brought ${points(last.gain)}, at most ${points(last.most)}: more rows may still pay.`
    : `More rows hardly pay: twice the labels brought ${points(last.gain)}, at most ${points(last.most)}.`;
  at.curve.replaceChildren(curveOf(rounds));
}

function curveOf(rounds) {
  const svg = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const most = rounds.at(-1).labels;
  const x = (labels) => (400 * labels) / most;
  const y = (share) => 140 * (1 - share);
  const drawing = svg("svg", { viewBox: "-44 -12 460 186", role: "img", "aria-label": "Share of right rows by number of labels" });
  for (const share of [0, 0.5, 1]) {
    drawing.append(svg("line", { class: "axis", x1: 0, x2: 400, y1: y(share), y2: y(share) }));
    drawing.append(svg("text", { x: -38, y: y(share) + 4 }, `${100 * share} %`));
  }
  drawing.append(svg("text", { x: 0, y: 158 }, "0"), svg("text", { x: 330, y: 158 }, `${most.toLocaleString("en")} labels`));
  drawing.append(svg("polyline", { points: rounds.map((one) => `${x(one.labels)},${y(one.right / one.rows)}`).join(" ") }));
  for (const one of rounds) {
    drawing.append(svg("line", { class: "band", x1: x(one.labels), x2: x(one.labels), y1: y(one.low), y2: y(one.high) }));
    drawing.append(svg("circle", { class: one.random ? "drawn" : "crossed", cx: x(one.labels), cy: y(one.right / one.rows), r: 4 }));
  }
  return drawing;
}

labelRows();
