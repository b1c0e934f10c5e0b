// The generation settings: each a slider and a number box over one value, and what a request says of them.

import { el } from "/page/dom.js";
import { contextWindow, startedWith } from "/page/models.js";
import { bind, get, onChange, setDefault } from "/page/state.js";

const MOST_TOKENS = 1024; // of an answer; fewer, where the context window is smaller

/**
 * The settings with sliders, by the names of the API. `python` is the name in llmkit where it differs; `implied` is the
 * value that exported code need not name. Where others are not named, the model's own `generation_config` holds.
 */
export const SLIDERS = [
  { name: "temperature", least: 0, most: 2, step: 0.05, start: 0.2, help: "0 takes the likeliest token; more draws more freely" },
  { name: "top_p", least: 0.05, most: 1, step: 0.05, start: 0.9, help: "draw among the likeliest tokens of this share" },
  { name: "top_k", least: 0, most: 200, step: 1, start: 0, help: "draw among so many tokens; 0: all" },
  { name: "min_p", least: 0, most: 1, step: 0.01, start: 0, help: "drop tokens below this share of the likeliest" },
  { name: "repetition_penalty", least: 1, most: 2, step: 0.05, start: 1, help: "makes tokens that were there less likely" },
  { name: "presence_penalty", least: -2, most: 2, step: 0.1, start: 0, implied: 0, help: "against tokens that the answer has" },
  { name: "frequency_penalty", least: -2, most: 2, step: 0.1, start: 0, implied: 0, help: "the same, for each time it has them" },
  { name: "max_tokens", python: "max_new_tokens", least: 1, most: MOST_TOKENS, step: 1, start: 256, help: "the most tokens of an answer" },
];
const DRAWING = new Set(["top_p", "top_k", "min_p"]); // without effect where the likeliest token is taken

/** Fill a panel with the controls of the settings; `prefix` tells several panels apart. */
export function buildSettings(panel, prefix) {
  for (const slider of SLIDERS) panel.append(sliderRow(slider, prefix));
  const limits = [...panel.querySelectorAll(`[data-state="${prefix}max_tokens"]`)];
  onChange((name) => {
    if (name !== null && name !== `${prefix}model`) return;
    for (const input of limits) input.max = Math.min(MOST_TOKENS, contextWindow(get(`${prefix}model`)) ?? MOST_TOKENS);
  });
  setDefault(`${prefix}seed`, "");
  setDefault(`${prefix}stop`, "");
  panel.append(
    textRow(`${prefix}seed`, "seed", "the same seed, the same answer; empty: another each time", { type: "number", min: 0, step: 1 }),
    textRow(`${prefix}stop`, "stop", "text that ends the answer", { type: "text" }),
  );
}

function sliderRow({ name, python, least, most, step, start, help }, prefix) {
  const state = `${prefix}${name}`;
  setDefault(state, startedWith(python ?? name) ?? start);
  const id = `setting-${state.replaceAll(".", "-")}`;
  const range = { min: least, max: most, step, "data-state": state };
  const slider = el("input", { type: "range", ...range, "aria-label": `${name}, slider`, "aria-describedby": `${id}-help` });
  const box = el("input", { type: "number", ...range, id, "aria-describedby": `${id}-help`, inputmode: "decimal" });
  bind(slider);
  bind(box);
  return el(
    "div",
    { class: "setting" },
    el("label", { for: id }, name),
    box,
    slider,
    el("small", { id: `${id}-help` }, help),
  );
}

function textRow(state, name, help, type) {
  const id = `setting-${state.replaceAll(".", "-")}`;
  const input = el("input", { id, "data-state": state, "aria-describedby": `${id}-help`, ...type });
  bind(input);
  return el("div", { class: "setting" }, el("label", { for: id }, name), input, el("small", { id: `${id}-help` }, help));
}

/** Return the settings as they are on the page, by the API's names, or with `forPython` by llmkit's. */
export function chosenSettings(prefix, forPython = false) {
  const chosen = {};
  const isGreedy = Number(get(`${prefix}temperature`)) === 0;
  for (const { name, python, implied } of SLIDERS) {
    const value = Number(get(`${prefix}${name}`));
    if (get(`${prefix}${name}`) === "" || (isGreedy && DRAWING.has(name)) || (forPython && value === implied)) continue;
    chosen[forPython && python ? python : name] = value;
  }
  if (get(`${prefix}seed`) !== "") chosen.seed = Number(get(`${prefix}seed`));
  if (get(`${prefix}stop`) !== "") chosen.stop = get(`${prefix}stop`);
  return chosen;
}
