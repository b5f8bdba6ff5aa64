// The form's face: typed fields that tell the kernel what stands in them and show what it says about each.

export default {
  render({ model, el }) {
    begin(el, "parameters");
    const mine = Math.random().toString(36).slice(2);
    const texts = { ...model.get("texts") };
    let waiting = null;

    function changed(name, value) {
      texts[name] = value;
      clearTimeout(waiting);
      el.setAttribute("aria-busy", "true");
      waiting = setTimeout(() => { model.set("texts", { ...texts }); model.save_changes(); }, 200);
    }

    function input({ name, type, choices }) {
      const id = { id: `${mine}-${name}`, "data-focus": name, "aria-describedby": `${mine}-${name}-told ${mine}-${name}-said` };
      if (type === "true or false") return node("input", { ...id, type: "checkbox", checked: Boolean(texts[name]), onchange: (event) => changed(name, event.target.checked) });
      if (choices.length) return node("select", { ...id, onchange: (event) => changed(name, event.target.value) }, choices.map((one) => node("option", { value: one, selected: one === texts[name] }, one)));
      const field = node("input", { ...id, type: "text", inputmode: type.includes("number") ? "decimal" : null, spellcheck: "false", placeholder: type, oninput: (event) => changed(name, event.target.value) });
      field.value = texts[name];
      return field;
    }

    function field(one) {
      const told = [one.meaning, one.allowed].filter(Boolean).join("; ");
      return node("div", { class: "field" }, node("label", { for: `${mine}-${one.name}` }, one.name),
        node("div", {}, input(one), node("div", { class: "quiet", id: `${mine}-${one.name}-told` }, told),
          node("div", { class: "error", id: `${mine}-${one.name}-said`, "data-said": one.name })));
    }

    const command = node("pre", { class: "command", tabindex: "0", "aria-label": "Command" });
    const end = node("div", { role: "status", "aria-live": "polite" });

    function say() {
      const { fields = {}, command: line = "" } = model.get("said");
      for (const place of el.querySelectorAll("[data-said]")) {
        const message = fields[place.dataset.said] ?? "";
        place.textContent = message;
        el.querySelector(`[data-focus="${CSS.escape(place.dataset.said)}"]`)?.setAttribute("aria-invalid", String(Boolean(message)));
      }
      const wrong = Object.keys(fields).length;
      command.textContent = line;
      end.replaceChildren(wrong ? node("p", { class: "error said" }, fields[""] ?? `${counted(wrong, "field")} to mend.`)
        : node("div", {}, node("p", { class: "good said" }, line ? "✓ Every value fits. In a terminal:" : "✓ Every value fits."), line ? command : null));
      el.setAttribute("aria-busy", "false");
    }

    if (model.get("problem")) fill(el, problem(model));
    else fill(el, node("div", { class: "fields" }, model.get("fields").map(field)), end);
    model.on("change:said", say);
    say();
    return () => { model.off("change:said", say); clearTimeout(waiting); };
  },
};
