// Draws the state the kernel sends and tells it what the person asks for; it holds no data of its own.

function select(label, options, value, changed) {
  const list = node("select", { "data-focus": `choose ${label}`, onchange: (event) => changed(event.target.value) },
    options.map((name) => node("option", { value: name, selected: name === value }, name)));
  return node("label", {}, label, " ", list);
}

function render({ model, el }) {
  begin(el, "mapping");
  const mine = Math.random().toString(36).slice(2);
  const opened = new Set();
  let draft = null;
  let adding = null;
  let wanted = "";
  let focus = null;
  // Answers that are due, and how many of them were asked for before the draft was begun: those leave it alone.
  let due = 0;
  let older = 0;

  function ask(what) {
    due += 1;
    el.setAttribute("aria-busy", "true");
    model.send(what);
  }

  function write(text) {
    draft = text;
    older = due;
  }

  function pick(column) {
    draft = null;
    adding = null;
    ask({ do: "select", column });
  }

  function keys(event, field) {
    if (walk(event, [...el.querySelectorAll(".rules button")]) || event.key !== "Delete") return;
    event.preventDefault();
    ask({ do: "remove", column: field.to });
  }

  function sample(field) {
    if (!field.sample) return null;
    const [came, after] = field.sample;
    return node("span", { class: "sample quiet" }, came === after || came === null ? after ?? "" : `${came} → ${after ?? "nothing"}`);
  }

  function rule(state, field) {
    const chosen = field.to === state.selected && !adding;
    const tag = [field.level, field.edited ? "edited" : ""].filter(Boolean).join(", ");
    return node("li", {}, node("button", {
      type: "button", "data-focus": `rule ${field.to}`, "aria-pressed": String(chosen), tabindex: chosen ? "0" : "-1",
      onkeydown: (event) => keys(event, field),
      // A click by key has no detail: the keyboard goes on to the editor, the mouse stays in the list.
      onclick: (event) => { if (event.detail === 0) focus = "editor"; pick(field.to); },
    }, node("b", {}, field.to), node("span", { class: `tag ${field.level || "edited"}` }, tag),
    node("span", { class: "way quiet" }, field.from ? `${field.from} · ${field.steps}` : field.steps), sample(field)));
  }

  function rules(state) {
    const list = node("ul", { class: "rules", "aria-label": "Rules" });
    const fill = () => {
      const fits = (field) => [field.to, field.from, field.steps].join(" ").toLowerCase().includes(wanted.toLowerCase());
      const shown = state.fields.filter(fits);
      list.replaceChildren(...(shown.length ? shown.map((field) => rule(state, field)) : [node("li", { class: "quiet" }, "No rule with this text.")]));
      if (!list.querySelector("[tabindex='0']")) list.querySelector("button")?.setAttribute("tabindex", "0");
    };
    fill();
    const find = node("input", { type: "search", placeholder: `Find in ${counted(state.fields.length, "rule")}`, "aria-label": "Find a rule", "data-focus": "find", oninput: (event) => { wanted = event.target.value; fill(); } });
    find.value = wanted;
    const taken = new Set(state.fields.map((field) => field.to));
    const free = (model.get("columns").destination ?? []).map((c) => c.name).filter((name) => !taken.has(name)).sort();
    const add = node("select", { "aria-label": "Add a rule for another column", "data-focus": "add", onchange: (event) => { adding = event.target.value; wanted = ""; write(`{from: , to: ${adding}}`); focus = "editor"; draw(); } },
      node("option", { value: "" }, "Add a rule for …"), free.map((name) => node("option", { value: name, selected: name === adding }, name)));
    return node("div", {}, node("div", { class: "finder" }, find, add), list);
  }

  function editor(state) {
    const column = adding ?? state.selected;
    const text = node("textarea", { id: `rule-${mine}`, rows: 4, spellcheck: "false", "aria-describedby": `help-${mine}`, "data-focus": "editor" });
    text.value = draft ?? state.rule;
    text.addEventListener("input", () => write(text.value));
    const apply = () => { write(text.value); ask({ do: "edit", column, text: text.value }); };
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); apply(); }
      else if (event.key === "Escape") el.querySelector(".rules [tabindex='0']")?.focus();
    });
    const button = (word, what, type = null) => node("button", { type: "button", class: type, "data-focus": word, "data-do": word.toLowerCase().replace(" ", "-"), onclick: what }, word);
    return node("div", { class: "editor" },
      node("label", { for: `rule-${mine}`, class: "title" }, adding ? `New rule for ${column}` : `Rule for ${column}`), text,
      node("div", { class: "buttons" },
        button("Apply", apply, "primary"),
        adding ? null : button("Remove", () => { draft = null; ask({ do: "remove", column }); }),
        button("Save", () => ask(draft === null ? { do: "save" } : { do: "save", column, text: draft })),
        button("Start over", () => { draft = adding = null; ask({ do: "reset" }); })),
      node("p", { id: `help-${mine}`, class: "quiet" }, "↑ ↓ walk the rules, Enter edits one, Ctrl+Enter applies, Esc goes back."),
      node("p", { class: state.error ? "said error" : "said", role: "status", "aria-live": "polite" }, state.error || state.message));
  }

  function stages(state) {
    const noted = state.reasons.some(Boolean);
    const rows = state.lines.map((line, n) => (noted ? [...line, state.reasons[n]] : line));
    return table(noted ? [...state.stages, "rejected because"] : state.stages, rows, `${state.selected}: the first rows, step by step`);
  }

  function change(state) {
    if (!state.change) return null;
    const { changed, rows, pairs } = state.change;
    const more = pairs.reduce((sum, pair) => sum - pair.rows, changed);
    return node("div", { class: "change" }, table(["source", "before", "after", "rows"], pairs.map((p) => [p.came, p.before, p.after, p.rows]),
      `${count(changed)} of ${counted(rows, "row")} change`), more > 0 ? node("p", { class: "quiet" }, `and ${count(more)} more`) : null);
  }

  function findings(state) {
    if (!state.findings.length) return node("p", { class: "findings good" }, "✓ Validation: both systems' metadata find nothing wrong.");
    const of = (level) => state.findings.filter((f) => f.level === level).length;
    return node("div", { class: "findings" }, table(["level", "code", "place", "what", "remedy"],
      state.findings.map((f) => [f.level, f.code, f.path, f.message, f.hint]),
      `Validation: ${counted(of("error"), "error")}, ${counted(of("warning"), "warning")}`));
  }

  function side(state, name, title) {
    const used = new Set(state.fields.flatMap((field) => (name === "source" ? field.reads : [field.to])));
    const listed = model.get("columns")[name] ?? [];
    const rows = listed.map((c) => [c.name, c.type, c.value, used.has(c.name) ? "mapped" : ""]);
    return node("details", { open: opened.has(name), ontoggle: (event) => (event.target.open ? opened.add(name) : opened.delete(name)) },
      node("summary", {}, `${title}: ${counted(listed.length, "column")}`),
      table(["column", "type", "a value", ""], rows, title));
  }

  function against(state) {
    const same = state.diff === "The same.";
    const kinds = { "-": "gone", "+": "come" };
    const lines = state.diff.split("\n").map((line) => node("span", { class: kinds[line.trim()[0]] }, `${line}\n`));
    return node("details", { open: !same }, node("summary", {}, same ? "Against the template as it was: the same" : "Against the template as it was"),
      same ? null : node("pre", { class: "diff" }, lines));
  }

  function paint() {
    const state = model.get("state");
    const top = el.querySelector(".rules")?.scrollTop ?? 0;
    el.replaceChildren(
      node("div", { class: "head" },
        select("Task", state.tasks, state.task, (task) => { draft = adding = null; ask({ do: "pick", task }); }),
        Object.entries(state.options).map(([name, option]) => node("span", { title: option.says },
          select(name, option.choices, option.chosen, (choice) => { draft = adding = null; ask({ do: "choose", option: name, choice }); }))),
        node("span", { class: "quiet" }, `${state.ways}, ${counted(state.rows, "row")}`)),
      node("div", { class: "halves" }, rules(state),
        node("div", { class: "work" }, [editor(state), findings(state), change(state), adding ? null : stages(state)])),
      node("div", { class: "halves" }, side(state, "source", "Source"), side(state, "destination", "Destination")),
      against(state));
    el.querySelector(".rules").scrollTop = top;
  }

  function draw() {
    el.setAttribute("aria-busy", String(due > 0));
    redraw(el, paint, focus);
    focus = null;
  }

  function told() {
    due = Math.max(0, due - 1);
    if (older > 0) older -= 1;
    else if (!model.get("state").error) draft = adding = null;
    draw();
  }

  model.on("change:state", told);
  model.on("change:columns", draw);
  draw();
  return () => {
    model.off("change:state", told);
    model.off("change:columns", draw);
  };
}

export default { render };
