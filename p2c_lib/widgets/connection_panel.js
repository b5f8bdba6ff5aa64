// The panel's face: it draws the findings the kernel gives and asks it to look again.

const SIGNS = { ok: "✓", warn: "!", fail: "✕", unknown: "?", "not reached": "·" };
const VERDICTS = { pass: "✓ everything holds", warn: "! usable, with something to look at", failed: "✕ not yet usable" };

export default {
  render({ model, el }) {
    begin(el, "connection");
    let looking = false;

    function look() {
      looking = true;
      el.setAttribute("aria-busy", "true");
      model.send({ do: "look" });
      redraw(el, paint);
    }

    function step({ title, status, finding, remedy }) {
      return node("li", { class: status.replace(" ", "-") },
        node("span", { class: "sign", "aria-hidden": "true" }, SIGNS[status]),
        node("div", {}, node("b", {}, title), node("span", { class: "quiet" }, status === "ok" ? "" : ` ${status}`),
          finding ? node("span", { class: "finding quiet" }, finding) : null,
          remedy ? node("div", { class: "remedy" }, node("b", {}, "What to do: "), remedy) : null));
    }

    function steps(findings, system) {
      const mine = findings.filter((finding) => finding.system === system);
      return mine.length ? node("section", {}, node("h4", {}, system), node("ol", { "aria-label": system }, mine.map(step))) : null;
    }

    function paint() {
      const { set, findings, verdict, why } = model.get("state");
      const systems = [...new Set(findings.map(({ system }) => system))];
      const own = systems.filter((system) => system !== "both").map((system) => steps(findings, system));
      fill(el, problem(model),
        node("div", { class: "title" },
          node("span", { class: "said", role: "status" }, node("b", {}, `Connection set ${set}: `), node("b", { class: `verdict ${verdict}` }, VERDICTS[verdict] ?? ""), ` ${why}`),
          node("button", { type: "button", "data-focus": "again", disabled: looking, onclick: look }, "Check again")),
        findings.length ? [node("div", { class: "sides" }, own), steps(findings, "both")].filter(Boolean) : model.get("problem") ? [] : [nothing("Looking …")]);
    }

    const leave = follow(model, ["state", "problem"], () => {
      looking = looking && !model.get("state").verdict && !model.get("problem");
      el.setAttribute("aria-busy", String(looking));
      redraw(el, paint);
    });
    return leave;
  },
};
