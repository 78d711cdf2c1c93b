"use strict";
// A CSV file is read in pieces, each row's text is asked about, and the rows are written again with what was
// answered. Neither the file nor the result is ever whole in memory: a browser keeps large Blobs on the disk.

const LOOKED_AT = 1 << 18;
const AT_ONCE = 8;
const GROUP = 256;
const KEPT_CHARACTERS = 1 << 20;
const TRIES = 5;
const NAMED = /^(text|message|inquiry|query|question|request|body|content|comment|review|description|utterance|sentence|title|subject)$/i;
const chosen = { file: null, delimiter: ",", encoding: "utf-8", mark: "", header: [], first: [], stop: null, url: "" };

// Rows of cells from pieces of text, as RFC 4180 has them; lines end with CR LF, LF or CR.
class CsvReader {
  constructor(delimiter) {
    Object.assign(this, { delimiter, row: [], cell: "", state: "start", line: 1, begun: 1, afterReturn: false });
    this.stop = new RegExp(`[\\r\\n${delimiter === "\t" ? "\\t" : delimiter}]`, "g");
  }

  // The rows that are complete with this piece, each with the line it begins in.
  push(text) {
    const rows = [];
    for (let at = 0; at < text.length; ) {
      const sign = text[at];
      const secondHalf = this.afterReturn && sign === "\n";
      this.afterReturn = false;
      if (this.state === "quoted") {
        at = this.takeQuoted(text, at, secondHalf);
        continue;
      }
      if (secondHalf) {
        at += 1;
      } else if (sign === '"' && this.state !== "plain") {
        // Within quotation marks two of them are one.
        if (this.state === "quote") this.cell += sign;
        this.state = "quoted";
        at += 1;
      } else if (sign === this.delimiter) {
        this.endCell();
        at += 1;
      } else if (sign === "\n" || sign === "\r") {
        this.line += 1;
        this.afterReturn = sign === "\r";
        this.endRow(rows);
        at += 1;
      } else {
        this.stop.lastIndex = at;
        const end = this.stop.exec(text)?.index ?? text.length;
        this.cell += text.slice(at, end);
        this.state = "plain";
        at = end;
      }
    }
    return rows;
  }

  // Takes all up to the next quotation mark; returns where to go on.
  takeQuoted(text, at, secondHalf) {
    const found = text.indexOf('"', at);
    const part = text.slice(at, found < 0 ? text.length : found);
    this.cell += part;
    this.line += (part.match(/\r\n?|\n/g) ?? []).length - (secondHalf ? 1 : 0);
    // Where a pair of CR and LF is cut in two, it counts once.
    this.afterReturn = found < 0 && part.endsWith("\r");
    if (found < 0) return text.length;
    this.state = "quote";
    return found + 1;
  }

  end() {
    const rows = [];
    if (this.state === "quoted") throw new Error(`Line ${this.begun}: a quotation mark is opened and never closed.`);
    if (this.row.length || this.cell || this.state !== "start") this.endRow(rows);
    return rows;
  }

  endCell() {
    this.row.push(this.cell);
    Object.assign(this, { cell: "", state: "start" });
  }

  endRow(rows) {
    this.endCell();
    // An empty line is no row.
    if (this.row.length > 1 || this.row[0]) rows.push({ cells: this.row, line: this.begun });
    Object.assign(this, { row: [], begun: this.line });
  }
}

function csvLine(cells, delimiter) {
  const quoted = (cell) =>
    /["\r\n]/.test(cell) || cell.includes(delimiter) || cell !== cell.trim() ? `"${cell.replaceAll('"', '""')}"` : cell;
  return `${cells.map(quoted).join(delimiter)}\r\n`;
}

// The sign that stands most often in the first line, outside of quotation marks.
function guessDelimiter(text) {
  const first = text.replaceAll(/"[^"]*"/g, "").split(/[\r\n]/, 1)[0];
  const counts = [",", ";", "\t", "|"].map((sign) => [first.split(sign).length, sign]);
  return counts.reduce((best, one) => (one[0] > best[0] ? one : best))[1];
}

function guessColumn(header, rows) {
  const named = header.findIndex((name) => NAMED.test(name.trim()));
  if (named >= 0) return named;
  const lengths = header.map((_, at) => rows.reduce((sum, { cells }) => sum + (cells[at] ?? "").length, 0));
  return lengths.indexOf(Math.max(...lengths));
}

function encodingOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  return bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
}

const NOT_UTF8 = "The file is not UTF-8. Save it again as “CSV UTF-8”.";

function decode(decoder, bytes, more) {
  try {
    return decoder.decode(bytes, { stream: more });
  } catch {
    throw new Error(NOT_UTF8);
  }
}

async function choose(file) {
  if (!file || chosen.stop) return;
  place("columns").hidden = true;
  place("download").hidden = true;
  place("sample").textContent = "";
  try {
    await lookAt(file);
  } catch (error) {
    place("table-state").textContent = `${file.name}: ${error.message}`;
  }
}

async function lookAt(file) {
  const bytes = new Uint8Array(await file.slice(0, LOOKED_AT).arrayBuffer());
  const encoding = encodingOf(bytes);
  const start = decode(new TextDecoder(encoding, { fatal: true }), bytes, true);
  const delimiter = guessDelimiter(start);
  const reader = new CsvReader(delimiter);
  const rows = reader.push(start);
  if (file.size <= LOOKED_AT) rows.push(...reader.end());
  if (rows.length < 2) throw new Error("Expected a line of names and at least one row.");
  const header = rows.shift().cells;
  // Who wrote a byte order mark reads one, too: Excel goes by it.
  chosen.mark = encoding !== "utf-8" || (bytes[0] === 0xef && bytes[1] === 0xbb) ? "\ufeff" : "";
  Object.assign(chosen, { file, encoding, delimiter, header });
  const options = header.map((name, at) => {
    const option = element("option", "", name || `column ${at + 1}`);
    option.value = String(at);
    return option;
  });
  place("column").replaceChildren(...options);
  place("column").value = String(guessColumn(header, rows.slice(0, 200)));
  chosen.first = rows[0].cells;
  showSample();
  place("columns").hidden = false;
  place("table-state").textContent = `${file.name}: ${number(header.length)} columns. Is the text's the right one?`;
}

function showSample() {
  place("sample").textContent = `The first text: ${[...(chosen.first[place("column").value] ?? "")].slice(0, 200).join("")}`;
}

async function predictTable(event) {
  event.preventDefault();
  if (chosen.stop || !chosen.file || !place("table-model").value) return;
  chosen.stop = new AbortController();
  const run = { model: place("table-model").value, column: Number(place("column").value), rows: 0, invalid: 0 };
  const written = { blobs: [], text: "" };
  setRunning(true);
  let failure = "";
  try {
    await readRows((rows) => predictRows(rows, run, written));
  } catch (error) {
    failure = chosen.stop.signal.aborted ? "Stopped." : error.message;
  }
  offer(run, written, failure);
  setRunning(false);
  chosen.stop = null;
}

function setRunning(running) {
  place("progress").hidden = !running;
  place("predict").hidden = running;
  place("stop").hidden = !running;
  for (const id of ["file", "column", "table-model"]) place(id).disabled = running;
  if (running) place("download").hidden = true;
}

// Hands over the rows of the file in groups; the next piece is read when a group is done.
async function readRows(take) {
  const decoder = new TextDecoder(chosen.encoding, { fatal: true });
  const reader = new CsvReader(chosen.delimiter);
  let [read, waiting, first] = [0, [], true];
  const hand = async (rows, least) => {
    waiting.push(...rows);
    if (first && waiting.length) [first] = [false, waiting.shift()];
    while (waiting.length && waiting.length >= least) {
      await take(waiting.splice(0, GROUP));
    }
    place("progress").value = read / chosen.file.size;
  };
  const stream = chosen.file.stream().getReader();
  try {
    for (;;) {
      const { done, value } = await stream.read();
      if (done) break;
      read += value.length;
      await hand(reader.push(decode(decoder, value, true)), GROUP);
    }
  } finally {
    stream.cancel().catch(() => {});
  }
  await hand([...reader.push(decode(decoder, undefined, false)), ...reader.end()], 1);
}

async function predictRows(rows, run, written) {
  for (const { cells, line } of rows) {
    if (cells.length !== chosen.header.length) {
      throw new Error(`Line ${line} has ${cells.length} cells, and the first line ${chosen.header.length}.`);
    }
  }
  const answers = new Array(rows.length);
  let next = 0;
  const work = async () => {
    while (next < rows.length) {
      const at = next++;
      answers[at] = await predictText(rows[at].cells[run.column].trim(), run.model);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (run.rows === 0) written.text = chosen.mark + csvLine([...chosen.header, ...newNames(chosen.header)], chosen.delimiter);
  rows.forEach(({ cells }, at) => {
    written.text += csvLine([...cells, ...answers[at]], chosen.delimiter);
    if (answers[at][2]) run.invalid += 1;
  });
  if (written.text.length > KEPT_CHARACTERS) {
    written.blobs.push(new Blob([written.text]));
    written.text = "";
  }
  run.rows += rows.length;
  place("table-state").textContent = `${number(run.rows)} rows predicted`;
}

// Names that the table does not have yet.
function newNames(header) {
  return ["prediction", "confidence", "problem"].map((name) => {
    let [free, count] = [name, 1];
    while (header.includes(free)) free = `${name}_${(count += 1)}`;
    return free;
  });
}

// The answer to a text, its probability, and what is wrong if there is none.
async function predictText(text, model) {
  if (!text) return ["", "", "empty"];
  const body = { model, messages: messagesOf(model, text.toWellFormed?.() ?? text), logprobs: true };
  const choice = (await callAgain("/chat/completions", body)).choices[0];
  const sum = (choice.logprobs?.content ?? []).reduce((total, token) => total + token.logprob, 0);
  return [choice.message.content, String(Number(Math.min(1, Math.exp(sum)).toPrecision(6))), ""];
}

// Asks again, a few times and ever later, where that may help.
async function callAgain(path, body) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await call(path, body, chosen.stop.signal);
    } catch (error) {
      const helps = !(error instanceof Refused) || error.status === 429 || error.status >= 500;
      if (chosen.stop.signal.aborted || !helps || tried === TRIES) throw error;
      const seconds = Math.max(error.retryAfter ?? 0, 2 ** tried / 4);
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(seconds, 60)));
    }
  }
}

function offer(run, written, failure) {
  const told = [`${number(run.rows)} rows predicted`];
  if (run.invalid) told.push(`${number(run.invalid)} without a text`);
  place("table-state").textContent = failure ? `${failure} ${told.join(", ")}.` : `${told.join(", ")}.`;
  if (run.rows === 0) return;
  URL.revokeObjectURL(chosen.url);
  chosen.url = URL.createObjectURL(new Blob([...written.blobs, written.text], { type: "text/csv" }));
  const link = place("download");
  link.href = chosen.url;
  link.download = `${chosen.file.name.replace(/\.[^.]*$/, "")}_predicted.csv`;
  link.textContent = failure ? `Download what there is of ${link.download}` : `Download ${link.download}`;
  link.hidden = false;
  if (!failure) link.click();
}

document.addEventListener("DOMContentLoaded", () => {
  const drop = place("drop");
  place("file").addEventListener("change", (event) => choose(event.target.files[0]));
  place("column").addEventListener("change", showSample);
  place("table-form").addEventListener("submit", predictTable);
  place("stop").addEventListener("click", () => chosen.stop?.abort());
  // Anywhere else a browser would leave the page for the file.
  for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
  drop.addEventListener("dragover", () => drop.classList.add("over"));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    choose(event.dataTransfer.files[0]);
  });
  addEventListener("beforeunload", (event) => {
    if (chosen.stop) event.preventDefault();
  });
});
