// Draws the state the kernel sends and tells it what the person asks for; it holds no data of its own.

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

function table(head, rows, caption) {
  return node("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    node("table", {}, node("caption", {}, caption),
      node("thead", {}, node("tr", {}, head.map((name) => node("th", { scope: "col" }, name)))),
      node("tbody", {}, rows.map((row) => node("tr", {}, row.map((cell) => node("td", {}, cell ?? "")))))));
}

function select(label, options, value, changed) {
  const id = `p2c-${label.replace(/\W+/g, "-")}`;
  const list = node("select", { id, onchange: (event) => changed(event.target.value) },
    options.map((name) => node("option", { value: name, selected: name === value }, name)));
  return node("label", { for: id }, label, " ", list);
}

function render({ model, el }) {
  el.classList.add("p2c-explorer");
  let draft = null;
  const ask = (what) => model.send(what);

  function move(event, step) {
    const buttons = [...el.querySelectorAll(".rules button")];
    const next = buttons[buttons.indexOf(event.currentTarget) + step];
    if (next) { event.preventDefault(); next.focus(); }
  }

  function keys(event, field) {
    if (event.key === "ArrowDown") move(event, 1);
    else if (event.key === "ArrowUp") move(event, -1);
    else if (event.key === "Delete") ask({ do: "remove", column: field.to });
  }

  function rules(state) {
    const rows = state.fields.map((field) => node("tr", { class: field.to === state.selected ? "selected" : null },
      node("td", {}, field.from || "—"), node("td", {}, field.steps),
      node("td", {}, node("button", {
        type: "button", "data-column": field.to, "aria-pressed": String(field.to === state.selected),
        onclick: () => { draft = null; ask({ do: "select", column: field.to }); },
        onkeydown: (event) => keys(event, field),
      }, field.to)),
      node("td", { class: `mark ${field.level}` }, field.level, field.edited ? " edited" : "")));
    return node("div", { class: "rules scroll" }, node("table", {}, node("caption", {}, "Rules"),
      node("thead", {}, node("tr", {}, ["source", "steps", "destination", ""].map((n) => node("th", { scope: "col" }, n)))),
      node("tbody", {}, rows)));
  }

  function editor(state) {
    const text = node("textarea", { id: "p2c-rule", rows: 4, spellcheck: "false", "aria-describedby": "p2c-rule-help" });
    text.value = draft ?? state.rule;
    text.addEventListener("input", () => { draft = text.value; });
    const apply = () => { draft = text.value; ask({ do: "edit", column: state.selected, text: text.value }); };
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); apply(); }
      event.stopPropagation();
    });
    return node("div", { class: "editor" },
      node("label", { for: "p2c-rule" }, `Rule for ${state.selected}`), text,
      node("div", { class: "buttons" },
        node("button", { type: "button", "data-do": "apply", onclick: apply }, "Apply"),
        node("button", { type: "button", "data-do": "save", onclick: () => ask({ do: "save" }) }, "Save"),
        node("button", { type: "button", "data-do": "reset", onclick: () => { draft = null; ask({ do: "reset" }); } }, "Start over"),
        node("span", { id: "p2c-rule-help", class: "quiet" }, "Ctrl+Enter applies; arrows move between rules")),
      node("p", { class: state.error ? "said error" : "said", role: "status", "aria-live": "polite" }, state.error || state.message));
  }

  function preview(state) {
    const rows = state.lines.map((line, n) => [...line, state.reasons[n]]);
    return table([...state.stages, ""], rows, `${state.selected} by stages`);
  }

  function change(state) {
    if (!state.change) return node("p", { class: "quiet" }, "This rule is as it was.");
    const { changed, rows, pairs } = state.change;
    return table(["came", "before", "after", "rows"], pairs.map((p) => [p.came, p.before, p.after, p.rows]),
      `${changed.toLocaleString("en")} of ${rows.toLocaleString("en")} rows change`);
  }

  function findings(state) {
    if (!state.findings.length) return node("p", { class: "quiet" }, "Both systems' metadata find nothing wrong.");
    return table(["level", "code", "place", "what", "remedy"],
      state.findings.map((f) => [f.level, f.code, f.path, f.message, f.hint]), "Validation");
  }

  function side(state, name, title) {
    const used = new Set(state.fields.flatMap((field) => name === "source" ? field.reads : [field.to]));
    const listed = model.get("columns")[name] ?? [];
    const rows = listed.map((c) => [c.name, c.label, c.type, c.value, used.has(c.name) ? "mapped" : ""]);
    return node("details", { open: opened.has(name), ontoggle: (event) => event.target.open ? opened.add(name) : opened.delete(name) },
      node("summary", {}, `${title}: ${listed.length} columns`),
      table(["column", "label", "type", "a value", ""], rows, title));
  }

  const opened = new Set();

  function draw() {
    const state = model.get("state");
    if (!state.error) draft = null;
    const active = el.contains(document.activeElement) ? document.activeElement : null;
    const back = active?.id ? `#${CSS.escape(active.id)}`
      : active?.dataset.column ? `[data-column="${CSS.escape(active.dataset.column)}"]`
      : active?.dataset.do ? `[data-do="${active.dataset.do}"]` : null;
    const top = el.querySelector(".rules")?.scrollTop ?? 0;
    el.replaceChildren(
      node("div", { class: "head" },
        select("Task", state.tasks, state.task, (task) => { draft = null; ask({ do: "pick", task }); }),
        node("span", { class: "quiet" }, `${state.ways}, ${state.rows.toLocaleString("en")} rows`),
        Object.entries(state.options).map(([name, option]) =>
          node("span", { title: option.says }, select(name, option.choices, option.chosen,
            (choice) => { draft = null; ask({ do: "choose", option: name, choice }); })))),
      node("div", { class: "halves" }, rules(state), node("div", { class: "work" }, editor(state), preview(state), change(state))),
      findings(state),
      node("div", { class: "halves" }, side(state, "source", "Source"), side(state, "destination", "Destination")),
      node("details", { open: state.diff !== "The same." }, node("summary", {}, "Against the template as it was"), node("pre", {}, state.diff)));
    el.querySelector(".rules").scrollTop = top;
    if (back) el.querySelector(back)?.focus();
  }

  model.on("change:state change:columns", draw);
  draw();
}

export default { render };
