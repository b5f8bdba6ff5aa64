// What the widgets draw with. Text only ever becomes text nodes.

const FOCUSED = ["button", "select", "input", "textarea", "summary"];

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  // JupyterLab looks for this on what has the focus first: its own shortcuts for cells would take the arrow keys.
  if (FOCUSED.includes(tag) || attributes.tabindex) made.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) made.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return made;
}

const count = (number) => number.toLocaleString("en");
const counted = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

// A column's name, with places where a narrow heading may break.
const breakable = (name) => name.split(/(?=[A-Z][a-z])|(?<=[._])/).flatMap((part, n) => (n ? [document.createElement("wbr"), part] : [part]));

function table(head, rows, caption) {
  const cell = (value) => node("td", { class: typeof value === "number" ? "n" : null }, typeof value === "number" ? count(value) : value ?? "");
  return node("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    node("table", {}, node("caption", {}, caption),
      node("thead", {}, node("tr", {}, head.map((name) => node("th", { scope: "col", class: name === "rows" ? "n" : null }, breakable(name))))),
      node("tbody", {}, rows.map((row) => node("tr", {}, row.map(cell))))));
}

// A part of the page that belongs to a widget: keys pressed in it are not for JupyterLab's cells.
function begin(el, kind) {
  el.classList.add("p2c-explorer", kind);
  el.setAttribute("data-lm-suppress-shortcuts", "true");
}

// Arrow keys walk through buttons, only one of which the tab key stops at.
function walk(event, buttons) {
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (!step) return false;
  event.preventDefault();
  buttons[buttons.indexOf(event.currentTarget) + step]?.focus();
  return true;
}

// Draw anew and leave the focus and the cursor where they were, or on the part called `wanted`.
function redraw(el, draw, wanted = null) {
  const active = el.contains(document.activeElement) ? document.activeElement : null;
  const back = wanted ?? active?.dataset.focus;
  const at = active?.dataset.focus === back ? active?.selectionStart : null;
  draw();
  const next = back && el.querySelector(`[data-focus="${CSS.escape(back)}"]`);
  if (!next) return;
  next.focus({ preventScroll: wanted === null });
  if (typeof at === "number" && next.setSelectionRange) next.setSelectionRange(at, at);
}

// A text and its marked pieces: what differs from the other side.
const pieces = (side) => side.map(([text, differs]) => (differs ? node("mark", {}, text) : text));

// Turn the pages of lines the kernel gives a page at a time; null where one page holds all.
function pager(page, turn) {
  const last = Math.max(0, Math.ceil(page.total / page.size) - 1);
  if (!last) return null;
  const step = (word, by, off) => node("button", { type: "button", disabled: off, "data-focus": word, onclick: () => turn(page.number + by) }, word);
  const from = page.number * page.size + 1;
  return node("div", { class: "pager" }, step("‹ previous", -1, page.number === 0),
    node("span", {}, `${count(from)} to ${count(Math.min(page.total, from + page.size - 1))} of ${count(page.total)}`),
    step("next ›", 1, page.number >= last));
}

// A field to search in lines; asks a moment after the last key. `forget` ends the waiting.
function searching(label, text, ask) {
  let waiting = null;
  const field = node("input", { type: "search", placeholder: label, "aria-label": label, "data-focus": "search", oninput: () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => ask(field.value), 250);
  } });
  field.value = text ?? "";
  return { field, forget: () => clearTimeout(waiting) };
}

// Say in the kernel's terms what is wanted, and tell whether its answer has come.
function asking(model, el) {
  let turn = model.get("page").turn ?? 0;
  return {
    choose: (changes) => {
      turn += 1;
      el.setAttribute("aria-busy", "true");
      model.set("wanted", { ...model.get("wanted"), ...changes, turn });
      model.save_changes();
    },
    answered: () => el.setAttribute("aria-busy", String((model.get("page").turn ?? 0) < turn)),
  };
}

// A bar of kinds, each as wide as its share of the rows. A kind is {name, rows, colour, chosen, pick}.
function segments(label, kinds) {
  const group = node("div", { class: "bar", role: "group", "aria-label": label });
  const total = kinds.reduce((sum, { rows }) => sum + rows, 0);
  group.append(...kinds.map(({ name, rows, colour, chosen, pick }) => node("button", {
    type: "button", class: "segment", "aria-pressed": String(chosen), "data-focus": `kind ${name}`, tabindex: chosen ? "0" : "-1",
    style: `border-top-color: ${colour}; flex-grow: ${Math.max(1, Math.round(100 * rows / Math.max(1, total)))}`,
    onkeydown: (event) => walk(event, [...group.children]), onclick: pick,
  }, node("b", {}, name), node("span", {}, count(rows)))));
  return group;
}

// A list of things with their counts, at most one of them chosen; null without any. A line is {key, name, where, rows,
// chosen, pick} and may have a share of a whole with its colour, drawn beneath.
function listing(label, lines) {
  if (!lines.length) return null;
  const list = node("ul", { class: "listing", "aria-label": label });
  const any = lines.some(({ chosen }) => chosen);
  list.append(...lines.map(({ key, name, where, rows, chosen, pick, share, colour }, n) => node("li", {}, node("button", {
    type: "button", class: "line", "aria-pressed": String(chosen), "data-focus": key, tabindex: chosen || (!any && n === 0) ? "0" : "-1",
    onkeydown: (event) => walk(event, [...list.querySelectorAll("button")]), onclick: pick,
  }, node("b", {}, name), node("span", {}, count(rows)), where ? node("span", { class: "where quiet" }, where) : null,
  share === undefined ? null : track(share, colour)))));
  return list;
}

// A share of a whole as a bar; the number beside it says the same.
const track = (share, colour) => node("span", { class: "track", "aria-hidden": "true" }, node("span", { style: `width: ${100 * share}%; background: ${colour}` }));

// The lines of a page as a table; `marked` names the two columns whose values are compared piece by piece. `opens` is
// {name, chosen, pick} where the values of a column open something.
function lines(page, { label, without = [], marked = [], opens = null, empty }) {
  if (!page.rows?.length) return node("p", { class: "quiet" }, empty);
  const names = Object.keys(page.rows[0]).filter((name) => name !== "marks" && !without.includes(name));
  const plain = (row, name) => (name === "field" ? breakable(row.field ?? "") : row[name] ?? "");
  const cell = (row, name) => (row.marks && marked.includes(name) ? pieces(row.marks[marked.indexOf(name)]) : plain(row, name));
  const any = opens && page.rows.some(opens.chosen);
  const opener = (row, n) => node("button", {
    type: "button", class: "opens", "aria-expanded": String(opens.chosen(row)), "data-focus": `open ${n}`,
    tabindex: any ? (opens.chosen(row) ? "0" : "-1") : (n === 0 ? "0" : "-1"),
    onkeydown: (event) => walk(event, [...part.querySelectorAll(".opens")]), onclick: () => opens.pick(row),
  }, row[opens.name] ?? "");
  const part = node("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, node("table", {},
    node("thead", {}, node("tr", {}, names.map((name) => node("th", { scope: "col" }, breakable(name))))),
    node("tbody", {}, page.rows.map((row, n) => node("tr", {}, names.map((name) => node("td", {}, opens?.name === name ? opener(row, n) : cell(row, name))))))));
  return part;
}

// Things to choose from on the left, where there are any, and what is chosen on the right.
const panes = (left, ...right) => node("div", { class: left ? "panes" : "panes alone" }, left, node("div", { class: "right" }, right.flat()));

// What went wrong, in the kernel's words, and what stands where there is nothing to show.
const problem = (model) => (model.get("problem") ? node("p", { class: "problem", role: "alert" }, model.get("problem")) : null);
const nothing = (text) => node("p", { class: "nothing" }, text);

// Put parts into the widget and leave its list where it was scrolled to.
function fill(el, ...parts) {
  const top = el.querySelector(".listing")?.scrollTop ?? 0;
  el.replaceChildren(...parts.flat().filter((part) => part !== null));
  const list = el.querySelector(".listing");
  if (list) list.scrollTop = top;
}

// Draw anew whenever one of the model's values changes; what is answered ends it.
function follow(model, names, draw) {
  names.forEach((name) => model.on(`change:${name}`, draw));
  draw();
  return () => names.forEach((name) => model.off(`change:${name}`, draw));
}
