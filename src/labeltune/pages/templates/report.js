"use strict";

function showErrors() {
  const { labels, rows } = JSON.parse(document.getElementById("data").textContent);
  const page = 50;
  const list = document.getElementById("errors");
  const count = document.getElementById("count");
  const more = document.getElementById("more");
  const [search, label, kind] = ["search", "label", "kind"].map((id) => document.getElementById(id));
  const searched = rows.map((row) => `${row[1]}\n${row[2]}`.toLowerCase());
  let found = [];
  let shown = 0;

  labels.forEach((name, place) => {
    const option = element("option", "", name);
    option.value = String(place);
    label.append(option);
  });

  const matches = (row, place) => {
    const [, , , truth, said, problem] = row;
    if (search.value && !searched[place].includes(search.value.toLowerCase())) return false;
    const one = label.value === "" ? null : Number(label.value);
    const missed = truth.filter((x) => !said.includes(x) && (one === null || x === one));
    const added = said.filter((x) => !truth.includes(x) && (one === null || x === one));
    if (kind.value === "invalid") return problem !== "" && (one === null || truth.includes(one));
    if (kind.value === "missed") return missed.length > 0;
    if (kind.value === "added") return added.length > 0;
    return one === null || missed.length + added.length > 0;
  };

  const entry = (row) => {
    const [line, id, text, truth, said, problem, confidence, unsure, reasons = [], file = ""] = row;
    const item = element("li");
    const where = [file ? `${file}, line ${line}` : `line ${line}`];
    if (id) where.push(`id ${id}`);
    if (confidence !== null) where.push(`confidence ${confidence.toFixed(3)}`);
    if (unsure) where.push("unsure");
    item.append(element("div", "where", where.join(" · ")));
    if (text) item.append(element("p", "text", text));
    const tags = element("div");
    if (problem) tags.append(element("span", "tag problem", `no valid answer: ${problem}`));
    for (const x of truth) {
      const both = said.includes(x);
      tags.append(element("span", both ? "tag both" : "tag missed", `${both ? "right" : "missed"}: ${labels[x]}`));
    }
    for (const x of said) {
      if (!truth.includes(x)) tags.append(element("span", "tag added", `wrongly predicted: ${labels[x]}`));
    }
    item.append(tags);
    if (reasons.length) item.append(deciding(reasons));
    return item;
  };

  // The words that decided: how much each spoke for the predicted labels, or against them.
  const deciding = (reasons) => {
    const line = element("div", "reasons", "decided by ");
    for (const [word, weight] of reasons) {
      const said = element("span", weight < 0 ? "reason against" : "reason for");
      said.append(element("strong", "", word), ` ${weight < 0 ? "−" : "+"}${Math.abs(weight).toFixed(2)}`);
      line.append(said, " ");
    }
    return line;
  };

  const showMore = () => {
    list.append(...found.slice(shown, shown + page).map((place) => entry(rows[place])));
    shown = Math.min(found.length, shown + page);
    more.hidden = shown === found.length;
    count.textContent = `${found.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows match, ${shown} shown`;
  };

  const filter = () => {
    found = rows.map((_, place) => place).filter((place) => matches(rows[place], place));
    shown = 0;
    list.replaceChildren();
    showMore();
  };

  search.addEventListener("input", filter);
  for (const choice of [label, kind]) choice.addEventListener("change", filter);
  more.addEventListener("click", showMore);
  filter();
}

// A map's cells are as large as the window has room for; their names stay as they are.
function fitMap(heat, width, smallest) {
  const { side, margin, columns } = heat.dataset;
  const room = width - 56 - Number(margin);
  const size = Math.max(smallest, Math.min(48, Math.floor(room / Number(columns))));
  const frame = heat.parentNode;
  frame.classList.toggle("broad", Number(margin) + columns * size + 16 > frame.parentNode.clientWidth);
  const scale = size / Number(heat.dataset.size ?? side);
  if (scale === 1) return;
  const wider = (node, ...names) => {
    for (const name of names) node.setAttribute(name, String(node.getAttribute(name) * scale));
  };
  const middle = (at) => ((at - 4) * scale) + 4;
  wider(heat.querySelector(".top"), "width");
  wider(heat.querySelector(".left"), "height");
  wider(heat.querySelector(".cells"), "width", "height");
  for (const cell of heat.querySelectorAll(".cells rect")) wider(cell, "x", "y", "width", "height");
  for (const count of heat.querySelectorAll(".cells text")) {
    wider(count, "x");
    count.setAttribute("y", String(middle(Number(count.getAttribute("y")))));
  }
  for (const name of heat.querySelectorAll(".left text")) name.setAttribute("y", String(middle(Number(name.getAttribute("y")))));
  for (const name of heat.querySelectorAll(".top text")) {
    const move = name.transform.baseVal.getItem(0);
    move.setTranslate(middle(move.matrix.e), move.matrix.f);
  }
  heat.dataset.size = String(size);
}

function fitMaps(width, smallest) {
  for (const heat of document.querySelectorAll(".heat")) fitMap(heat, width, smallest);
}

const toWindow = () => fitMaps(document.documentElement.clientWidth, 14);
// What does not scroll must fit: about the width of a sheet.
const toPaper = () => fitMaps(700, 4);

if (document.getElementById("data")) showErrors();
toWindow();
window.addEventListener("resize", toWindow);
window.addEventListener("beforeprint", toPaper);
window.addEventListener("afterprint", toWindow);
