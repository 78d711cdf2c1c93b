"use strict";
// Jobs with their curves. They are looked at often while something happens, less and less often while nothing
// does, and not at all while nobody sees the page or after the server has not answered for a while.

const SOONEST_MS = 1000;
const LATEST_MS = 30000;
const MOST_FAILURES = 6;
const MOST_PAGES = 5;
const ACTIVE = new Set(["validating_files", "queued", "running", "pausing"]);
const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, BOTTOM] = [420, 170, 44, 22];
const watch = { timer: 0, delay: SOONEST_MS, failures: 0, looking: false, seen: "" };
const jobs = new Map();

function watchJobs() {
  Object.assign(watch, { delay: SOONEST_MS, failures: 0 });
  place("paused").hidden = true;
  look();
}

async function look() {
  clearTimeout(watch.timer);
  if (document.hidden || watch.looking || place("content").hidden) return;
  watch.looking = true;
  try {
    const changed = await showJobs();
    watch.failures = 0;
    watch.delay = changed ? SOONEST_MS : Math.min(LATEST_MS, watch.delay * 1.5);
  } catch (error) {
    if (error.status === 401) return;
    watch.failures += 1;
    watch.delay = Math.min(LATEST_MS, watch.delay * 2);
  } finally {
    watch.looking = false;
  }
  if (watch.failures >= MOST_FAILURES) place("paused").hidden = false;
  else watch.timer = setTimeout(look, watch.delay);
}

// Whether anything was new.
async function showJobs() {
  const { data } = await call("/fine_tuning/jobs?limit=20");
  place("no-jobs").hidden = data.length > 0;
  for (const job of data) {
    if (!jobs.has(job.id)) jobs.set(job.id, newJob(job));
    const known = jobs.get(job.id);
    const ended = ACTIVE.has(known.status) && !ACTIVE.has(job.status);
    showJob(known, job);
    if (known.details.open && (ACTIVE.has(job.status) || ended || !known.whole)) await showCurve(known);
    if (ended) await showModels();
  }
  const items = data.map((job) => jobs.get(job.id).item);
  const list = place("jobs-list");
  // What stands where it should is left alone: moving it would take the focus away.
  if (list.children.length !== items.length || items.some((item, at) => list.children[at] !== item)) {
    list.replaceChildren(...items);
  }
  const state = JSON.stringify([...jobs].map(([id, known]) => [id, known.status, known.newest]));
  const changed = state !== watch.seen;
  watch.seen = state;
  return changed;
}

function newJob(job) {
  const known = {
    ...{ id: job.id, item: element("li"), details: element("details"), summary: element("summary") },
    ...{ curve: element("div"), facts: element("p", "soft"), points: [], newest: "", whole: false, reading: false, status: "" },
  };
  known.details.open = ACTIVE.has(job.status);
  known.details.append(known.summary, known.facts, known.curve);
  known.details.addEventListener("toggle", () => {
    if (known.details.open && !known.whole) showCurve(known).catch(showTrouble);
  });
  known.item.append(known.details);
  return known;
}

function showJob(known, job) {
  if (known.status !== job.status) {
    const made = job.fine_tuned_model ?? job.model;
    known.summary.replaceChildren(
      element("span", `state ${job.status}`, job.status.replaceAll("_", " ")),
      element("span", "", ` ${made} `),
      element("span", "soft", date(job.created_at)),
    );
  }
  known.status = job.status;
  const facts = [job.id, `trained from ${job.model}`];
  if (job.estimated_finish) facts.push(`ready at about ${date(job.estimated_finish)}`);
  if (job.error?.message) facts.push(job.error.message);
  known.facts.textContent = facts.join(" · ");
}

// Reads the events that are new, a few pages at most: a job has about 300 of them.
async function showCurve(known) {
  if (known.reading) return;
  known.reading = true;
  try {
    await readCurve(known);
  } finally {
    known.reading = false;
  }
}

async function readCurve(known) {
  const fresh = [];
  let [after, newest] = ["", ""];
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { data, has_more: more } = await call(`/fine_tuning/jobs/${known.id}/events?limit=100${after}`);
    newest ||= data[0]?.id ?? "";
    const old = data.findIndex((event) => event.id === known.newest);
    fresh.push(...(old < 0 ? data : data.slice(0, old)));
    if (old >= 0 || !more) break;
    after = `&after=${data.at(-1).id}`;
  }
  known.newest = newest || known.newest;
  known.whole = !ACTIVE.has(known.status);
  const points = fresh.filter((event) => event.type === "metrics").map((event) => event.data);
  if (points.length === 0 && known.points.length > 0) return;
  known.points.push(...points.reverse());
  known.curve.replaceChildren(known.points.length ? curve(known.points) : element("p", "soft", "No step yet."));
}

function drawn(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

function curve(points) {
  const last = Math.max(...points.map((point) => point.total_steps ?? point.step));
  const lines = [
    ["training", "k0", points.map((point) => [point.step, point.train_loss])],
    ["validation", "k1", points.map((point) => [point.step, point.full_valid_loss ?? point.valid_loss])],
  ].map(([name, kind, values]) => [name, kind, values.filter(([, loss]) => Number.isFinite(loss))]);
  const top = Math.max(1e-9, ...lines.flatMap(([, , values]) => values.map(([, loss]) => loss)));
  const x = (step) => LEFT + ((WIDTH - LEFT - 8) * step) / last;
  const y = (loss) => 8 + (HEIGHT - BOTTOM - 8) * (1 - loss / top);
  const said = lines.filter(([, , values]) => values.length).map(
    ([name, , values]) => `${name} loss ${values[0][1].toPrecision(3)} at first, ${values.at(-1)[1].toPrecision(3)} now`,
  );
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": said.join("; ") });
  svg.append(
    drawn("line", { class: "axis", x1: LEFT, x2: WIDTH - 8, y1: y(0), y2: y(0) }),
    drawn("line", { class: "axis", x1: LEFT, x2: LEFT, y1: 8, y2: y(0) }),
  );
  const sides = drawn("g", { class: "y" });
  sides.append(drawn("text", { x: LEFT - 6, y: 12 }, top.toPrecision(2)), drawn("text", { x: LEFT - 6, y: y(0) }, "0"));
  const below = drawn("g", { class: "x" });
  below.append(drawn("text", { x: LEFT, y: HEIGHT - 6 }, "0"), drawn("text", { x: WIDTH - 24, y: HEIGHT - 6 }, `step ${last}`));
  svg.append(sides, below);
  for (const [, kind, values] of lines) {
    svg.append(drawn("polyline", { class: kind, points: values.map(([a, b]) => `${x(a)},${y(b)}`).join(" ") }));
  }
  const figure = element("figure");
  const caption = element("figcaption", "", "Loss per step");
  const legend = element("div", "legend");
  for (const [name, kind, values] of lines) {
    if (values.length === 0) continue;
    const entry = element("span");
    const sample = drawn("svg", { viewBox: "0 0 24 8", "aria-hidden": "true" });
    sample.append(drawn("polyline", { class: kind, points: "0,4 24,4" }));
    entry.append(sample, ` ${name} ${values.at(-1)[1].toPrecision(3)}`);
    legend.append(entry);
  }
  figure.append(caption, svg, legend);
  return figure;
}

document.addEventListener("DOMContentLoaded", () => {
  place("again").addEventListener("click", watchJobs);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !place("content").hidden) watchJobs();
  });
});
