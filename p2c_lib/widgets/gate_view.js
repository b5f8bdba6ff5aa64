// The gate's face: it draws what the kernel gives and says what was clicked.

const SAID = { quarantined: "Rows set aside", held: "Rows that wait for another", warnings: "Rows that load with a warning", passed: "Rows that may load" };
const SIGNS = { pass: "✓ passed", warn: "! passed with warnings", blocked: "✕ closed" };

export default {
  render({ model, el }) {
    begin(el, "gate");
    const { choose, answered } = asking(model, el);
    const search = searching("Search in these rows", model.get("wanted").search, (text) => choose({ search: text, number: 0 }));

    function head() {
      const { task, verdict, why } = model.get("head");
      return node("div", { class: "head" }, node("b", {}, `Gate of ${task}: `), node("b", { class: `verdict ${verdict}` }, SIGNS[verdict]), node("p", {}, why));
    }

    function bar() {
      const kinds = Object.entries(model.get("head").counts).filter(([, rows]) => rows);
      return segments("What became of the rows", kinds.map(([name, rows]) => ({
        name, rows, colour: `var(--p2c-${name})`, chosen: model.get("wanted").kind === name,
        pick: () => choose({ kind: name, rule: null, number: 0 }),
      })));
    }

    const mine = () => model.get("rules").filter(({ kind }) => kind === model.get("wanted").kind);

    function rules() {
      const wanted = model.get("wanted");
      return listing("Rules", mine().map(({ kind, rule, severity, rows, judged }) => {
        const chosen = wanted.rule === rule;
        const where = kind === "held" ? "waited for" : `${severity} · ${count(rows)} of ${counted(judged, "row")}`;
        return {
          key: `rule ${rule}`, name: rule, where, rows, chosen,
          share: rows / Math.max(1, judged), colour: `var(--p2c-${severity})`, pick: () => choose({ rule: chosen ? null : rule, number: 0 }),
        };
      }));
    }

    function title(wanted) {
      const what = wanted.rule ? (wanted.kind === "held" ? `Rows that wait for ${wanted.rule}` : wanted.rule) : SAID[wanted.kind];
      const says = mine().find(({ rule }) => rule === wanted.rule)?.says;
      return [node("div", { class: "title" }, node("span", { class: "said" }, node("b", {}, what), ` · ${count(model.get("page").total)}`)),
        says ? node("p", { class: "quiet" }, says) : null];
    }

    function over(wanted) {
      const runs = model.get("over");
      if (runs.length < 2) return null;
      const most = Math.max(1, ...runs.map(({ rows, held }) => rows + held));
      const what = wanted.rule && wanted.kind !== "held" ? `Rows that fail "${wanted.rule}"` : "Rows set aside and waiting";
      const words = runs.map(({ when, rows, held }) => `${when.slice(0, 16).replace("T", " ")}: ${rows}${held ? `, ${held} waiting` : ""}`);
      const column = ({ rows, held }, n) => node("span", { title: words[n] },
        node("span", { style: `height: ${100 * held / most}%; background: var(--p2c-held)` }), node("span", { style: `height: ${100 * rows / most}%; background: var(--p2c-critical)` }));
      return node("figure", { role: "img", "aria-label": `${what}: ${words.join("; ")}` }, node("figcaption", {}, `${what}, run by run; ${count(most)} at most`),
        node("div", { class: "columns" }, runs.map(column)), node("div", { class: "ends quiet" }, node("span", {}, words[0].split(": ")[0]), node("span", {}, words.at(-1).split(": ")[0])));
    }

    function held() {
      const { holds } = model.get("head");
      return holds.length ? node("details", {}, node("summary", {}, `${counted(holds.length, "rule")} found nothing`), node("ul", {}, holds.map((rule) => node("li", {}, rule)))) : null;
    }

    function paint() {
      const [page, wanted, empty] = [model.get("page"), model.get("wanted"), model.get("nothing")];
      if (empty) return fill(el, nothing(empty));
      const rows = lines(page, {
        label: "Rows", without: wanted.rule ? ["rule", "column", "severity", "task"] : ["column", "severity"],
        empty: wanted.search ? "No row has this text." : "No rows.",
      });
      return fill(el, problem(model), head(), bar(), panes(rules(), title(wanted), search.field, rows, pager(page, (number) => choose({ number }))), over(wanted), held());
    }

    const leave = follow(model, ["page", "over", "problem"], () => { answered(); redraw(el, paint); });
    return () => { leave(); search.forget(); };
  },
};
