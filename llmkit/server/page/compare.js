// The view "Compare": one message, answered twice side by side.

import { Answer } from "/page/answer.js";
import { byId, el, whileRunning } from "/page/dom.js";
import { loadedFrom, names } from "/page/models.js";
import { compareProgram } from "/page/python.js";
import { buildSettings, chosenSettings } from "/page/settings.js";
import { bind, get, onChange, setDefault } from "/page/state.js";

const SIDES = ["a", "b"];
const answers = {};

export function startCompare() {
  for (const side of SIDES) buildSide(side);
  const form = byId("compare-form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!get("compare.message").trim()) return;
    await whileRunning(form, null, () => Promise.all(SIDES.map((side) => answers[side].run())));
  });
  byId("compare-stop").addEventListener("click", () => Object.values(answers).forEach((answer) => answer.stop()));
  byId("compare-message").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  byId("compare").addEventListener("keydown", (event) => event.key === "Escape" && byId("compare-stop").click());
  onChange((name) => name === "compare.probabilities" && Object.values(answers).forEach((answer) => answer.show()));
}

function buildSide(side) {
  const place = document.querySelector(`[data-side="${side}"]`);
  const id = `system-${side}`;
  const system = el("textarea", { id, rows: 1, "data-state": `${side}.system` });
  const answer = new Answer(() => request(side), () => get("compare.probabilities") === "1", showWhetherAnyRuns);
  answer.body.setAttribute("aria-live", "polite");
  const panel = el("details", { class: "settings", open: window.innerWidth >= 900 }, el("summary", {}, "Settings"));
  place.append(...modelChoice(side), el("label", { for: id }, "System prompt ", el("small", {}, "optional")), system, answer.element, panel);
  buildSettings(panel, `${side}.`);
  if (side === "b" && names().length < 2) setDefault("b.temperature", 1); // of two models all else is the same
  bind(system);
  answers[side] = answer;
}

function showWhetherAnyRuns() {
  byId("compare-stop").disabled = !Object.values(answers).some((answer) => answer.isRunning);
}

function modelChoice(side) {
  const id = `model-${side}`;
  const [first = "", second = first] = names();
  setDefault(`${side}.model`, side === "a" ? first : second);
  if (names().length < 2) return [];
  const choice = el("select", { id, "data-state": `${side}.model` }, ...names().map((name) => el("option", { value: name }, name)));
  bind(choice);
  return [el("label", { for: id }, "Model"), choice];
}

function messages(side) {
  const system = get(`${side}.system`).trim();
  const message = { role: "user", content: get("compare.message") };
  return system ? [{ role: "system", content: system }, message] : [message];
}

function request(side) {
  return { model: get(`${side}.model`), messages: messages(side), ...chosenSettings(`${side}.`) };
}

export function comparePython() {
  const side = (name) => ({ name: loadedFrom(get(`${name}.model`)), settings: chosenSettings(`${name}.`, true), messages: messages(name) });
  return compareProgram(SIDES.map(side));
}
