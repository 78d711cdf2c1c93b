"use strict";
// The page knows nothing but what the endpoints of /v1 tell. The key stays in this tab's session storage.

const BASE = new URL("v1", location.href).href;
const KEY = "labeltune-key";
const EXAMPLE = "where is my parcel?";
const place = (id) => document.getElementById(id);
let models = [];

class Refused extends Error {
  constructor(status, error, retryAfter) {
    super(error.message ?? `The server answered with status ${status}.`);
    this.status = status;
    this.code = error.code ?? "";
    this.retryAfter = retryAfter;
  }
}

// One request to this server; with a body it is a POST. Throws Refused for an error of the API's.
async function call(path, body, signal) {
  const headers = {};
  const key = sessionStorage.getItem(KEY);
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const reply = await fetch(BASE + path, {
    method: body === undefined ? "GET" : "POST",
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
  });
  const told = await reply.json().catch(() => ({}));
  if (reply.ok) return told;
  const refused = new Refused(reply.status, told.error ?? {}, Number(reply.headers.get("retry-after")) || 0);
  if (reply.status === 401) askForKey(refused.message);
  throw refused;
}

function askForKey(why) {
  const tried = sessionStorage.getItem(KEY) !== null;
  sessionStorage.removeItem(KEY);
  place("content").hidden = true;
  place("key").hidden = false;
  place("key-trouble").textContent = tried ? why : "";
  place("key-input").focus();
}

function useKey(event) {
  event.preventDefault();
  const key = place("key-input").value.trim();
  if (!/^[\x21-\x7e]+$/.test(key)) {
    place("key-trouble").textContent = "A key is one line of plain characters.";
    return;
  }
  sessionStorage.setItem(KEY, key);
  place("key-input").value = "";
  place("key").hidden = true;
  begin();
}

function showTrouble(error) {
  if (error.status === 401) return;
  const trouble = place("trouble");
  trouble.textContent = error instanceof Refused ? error.message : "The server does not answer. Is it still running?";
  trouble.hidden = false;
}

const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

const date = (seconds) =>
  new Date(seconds * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

function cell(text, value, className) {
  const made = element("td", className ?? "", text);
  if (value !== undefined) made.dataset.value = String(value);
  return made;
}

function modelRow(model) {
  const facts = model.labeltune ?? {};
  const accuracy = facts.metrics?.full_valid_mean_token_accuracy;
  const row = element("tr");
  row.append(
    cell(model.id),
    cell(facts.base ?? "", undefined, "name"),
    cell(facts.rows == null ? "" : number(facts.rows), facts.rows ?? -1),
    cell(accuracy == null ? "not validated" : `${number(100 * accuracy, 1)} %`, accuracy ?? -1),
    cell(date(model.created), model.created),
  );
  return row;
}

async function showModels() {
  const listed = (await call("/models")).data.filter((model) => model.owned_by === "local");
  models = listed.filter((model) => !model.id.includes(":ckpt-step-"));
  const steps = listed.length - models.length;
  place("models-table").tBodies[0].replaceChildren(...models.map(modelRow));
  place("models-box").hidden = models.length === 0;
  place("no-models").hidden = models.length > 0;
  place("checkpoints").textContent = steps ? `${number(steps)} checkpoints of trainings are not shown.` : "";
  for (const select of document.querySelectorAll("select.chosen")) {
    const before = select.value;
    select.replaceChildren(
      ...models.map((model) => {
        const option = element("option", "", model.id);
        option.value = model.id;
        return option;
      }),
    );
    if (models.some((model) => model.id === before)) select.value = before;
  }
  showPrograms();
}

// The messages that a model was trained with, with this text in them; the text alone where that is not known.
function messagesOf(name, text) {
  const prompt = models.find((model) => model.id === name)?.labeltune?.prompt;
  if (!prompt) return [{ role: "user", content: text }];
  return prompt.map(({ role, content, before, after }) => ({ role, content: content ?? before + text + after }));
}

// Where the text stands in them: the message, and the character that it begins with, in code points.
function placeOfText(name) {
  const prompt = models.find((model) => model.id === name)?.labeltune?.prompt;
  if (!prompt) return [0, 0];
  const message = prompt.findIndex((part) => part.before !== undefined);
  return [message, [...prompt[message].before].length];
}

function showPrograms() {
  const name = place("program-model").value || "MODEL";
  const messages = messagesOf(name, EXAMPLE);
  const keyed = sessionStorage.getItem(KEY) !== null;
  const body = JSON.stringify({ model: name, messages }, null, 2);
  const header = keyed ? `  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n` : "";
  place("curl").textContent =
    `curl '${BASE}/chat/completions' \\\n  -H 'Content-Type: application/json' \\\n${header}` +
    `  -d '${body.replaceAll("'", "'\\''")}'`;
  // A JSON string is one of Python's, too.
  const listed = messages.map(
    (one) => `        {"role": ${JSON.stringify(one.role)}, "content": ${JSON.stringify(one.content)}},\n`,
  );
  place("python").textContent =
    `${keyed ? "import os\n\n" : ""}from openai import OpenAI\n\n` +
    `client = OpenAI(base_url=${JSON.stringify(BASE)}, api_key=${keyed ? 'os.environ["OPENAI_API_KEY"]' : '"any"'})\n` +
    `reply = client.chat.completions.create(\n    model=${JSON.stringify(name)},\n    messages=[\n` +
    `${listed.join("")}    ],\n)\nprint(reply.choices[0].message.content)`;
}

async function copy(event) {
  const lines = place(event.currentTarget.dataset.copy);
  try {
    await navigator.clipboard.writeText(lines.textContent);
    place("copied").textContent = "Copied.";
  } catch {
    // Browsers give the clipboard to pages of this machine and of https only.
    getSelection().selectAllChildren(lines);
    place("copied").textContent = "The lines are selected: copy them with Ctrl and C.";
  }
}

async function begin() {
  place("trouble").hidden = true;
  try {
    await showModels();
  } catch (error) {
    showTrouble(error);
    return;
  }
  place("content").hidden = false;
  watchJobs();
}

document.addEventListener("DOMContentLoaded", () => {
  place("base-url").textContent = BASE;
  place("key-form").addEventListener("submit", useKey);
  place("program-model").addEventListener("change", showPrograms);
  for (const button of document.querySelectorAll("button[data-copy]")) button.addEventListener("click", copy);
  begin();
});
