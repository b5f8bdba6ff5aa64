// What the widgets draw with. Text only ever becomes text nodes.

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
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
