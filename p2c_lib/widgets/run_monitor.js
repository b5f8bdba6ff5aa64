// The monitor's face: it draws how the run stands and asks the kernel again while there is something to see.

const OFTEN = 1000;
const SELDOM = 4000;
const SIGNS = { clean: "✓", planned: "→", differences: "!", blocked: "✕", error: "✕", waiting: "·" };
const KINDS = ["created", "updated", "unchanged", "held", "quarantined", "drifted", "failed"];

// 75 -> "1 min 15 s"
function lasting(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

export default {
  render({ model, el }) {
    begin(el, "run");
    let next = null;

    function ask(what) {
      el.setAttribute("aria-busy", String(what.do === "pick"));
      try {
        model.send(what);
      } catch {
        fill(el, nothing("The kernel has ended. Run this cell again to go on watching."));
      }
    }

    function head({ id, status, mode, set, company, going, elapsed, left }) {
      const words = going ? `running for ${lasting(elapsed)}${left !== null ? `, about ${lasting(left)} left` : ""}` : `${status} after ${lasting(elapsed)}`;
      return node("p", { class: "said", role: "status" }, node("span", { class: `sign ${status}`, "aria-hidden": "true" }, going ? "▶ " : `${SIGNS[status] ?? "·"} `),
        node("b", {}, words), node("span", { class: "quiet" }, ` · ${id} · ${mode} · ${set} · ${company}`));
    }

    // The list of runs stays where it is: drawn anew every second it could not be used.
    const picker = node("select", { "data-focus": "pick", onchange: (event) => ask({ do: "pick", run: event.target.value }) });
    const [wrong, top, tasks] = [node("div"), node("div"), node("div")];
    const frame = node("div", {}, wrong, node("div", { class: "title" }, top, node("label", {}, "Run ", picker)), tasks);

    function offer({ runs, picked }) {
      const known = runs.map(({ says }) => says).join();
      if (picker.dataset.runs !== known) {
        picker.dataset.runs = known;
        picker.replaceChildren(node("option", { value: "" }, "the latest"), ...runs.map(({ id, says }) => node("option", { value: id }, says)));
      }
      if (picker !== document.activeElement) picker.value = picked;
    }

    // What became of the rows of a task that ended, or how far one is that goes on.
    function bar(line) {
      const kinds = KINDS.filter((kind) => line[kind]);
      if (kinds.length) return node("span", { class: "track", "aria-hidden": "true" }, kinds.map((kind) => node("span", { style: `width: ${100 * line[kind] / Math.max(1, line.read)}%; background: var(--p2c-${kind})` })));
      return line.of ? track(line.done / line.of, "var(--p2c-accent)") : null;
    }

    function told(line) {
      if (line.read !== undefined) return [`${count(line.read)} read`, ...KINDS.filter((kind) => line[kind]).map((kind) => `${count(line[kind])} ${kind}`)].join(", ");
      const rows = line.of ? `${count(line.done)} of ${counted(line.of, "row")}` : line.done ? counted(line.done, "row") : "";
      return [rows, line.rate ? `${count(Math.round(line.rate))} a second` : ""].filter(Boolean).join(", ");
    }

    function task(line) {
      const end = line.read !== undefined;
      return node("li", {}, node("div", { class: "line" },
        node("span", {}, node("span", { class: `sign ${line.state}`, "aria-hidden": "true" }, SIGNS[line.state] ?? "▶"), " ", node("b", {}, line.task), node("span", { class: "quiet" }, ` ${line.state}`)),
        node("span", { class: "quiet" }, line.seconds ? lasting(line.seconds) : ""), node("span", { class: "where" }, told(line)), bar(line)));
    }

    function paint() {
      const state = model.get("state");
      if (!state.run) return fill(el, problem(model), nothing(state.nothing));
      if (!el.contains(frame)) fill(el, frame);
      offer(state);
      wrong.replaceChildren(problem(model) ?? "");
      top.replaceChildren(head(state.run));
      tasks.replaceChildren(state.tasks.length ? node("ol", { class: "tasks", "aria-label": "Tasks" }, state.tasks.map(task)) : nothing("No task has ended yet."));
      return undefined;
    }

    function again() {
      clearTimeout(next);
      if (!el.isConnected && next !== null) return;
      next = setTimeout(() => ask({ do: "look" }), model.get("state").run?.going ? OFTEN : SELDOM);
    }

    const leave = follow(model, ["state", "problem"], () => { el.setAttribute("aria-busy", "false"); paint(); again(); });
    return () => { leave(); clearTimeout(next); };
  },
};
