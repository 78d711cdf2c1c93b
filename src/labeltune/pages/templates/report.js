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
    const [line, id, text, truth, said, problem, confidence, unsure, file] = row;
    const item = element("li");
    const where = [file ? `${file}, line ${line}` : `line ${line}`];
    if (id) where.push(`id ${id}`);
    if (confidence !== null) where.push(`confidence ${confidence.toFixed(3)}`);
    if (unsure) where.push("unsure");
    item.append(element("div", "where", where.join(" · ")), element("p", "text", text));
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
    return item;
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

if (document.getElementById("data")) showErrors();
