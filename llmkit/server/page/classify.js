// The view "Classify": the probability of each label, before and after calibration.

import { post } from "/page/api.js";
import { byId, el, percent, showError, whileRunning } from "/page/dom.js";
import { loadedFrom } from "/page/models.js";
import { classifyProgram } from "/page/python.js";
import { get } from "/page/state.js";

export const splitLabels = (text) => [...new Set(text.split(",").map((label) => label.trim()).filter(Boolean))];

export function startClassify() {
  const form = byId("classify-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    whileRunning(form, null, classify);
  });
}

async function classify(signal) {
  const place = byId("classify-result");
  place.setAttribute("aria-busy", "true");
  const body = { model: get("model"), labels: splitLabels(get("classify.labels")), text: get("classify.text") };
  try {
    const after = await post("/v1/llmkit/classify", { ...body, contextual_calibration: true }, signal);
    const before = await post("/v1/llmkit/classify", { ...body, contextual_calibration: false }, signal);
    place.replaceChildren(...bars(before, after));
  } catch (error) {
    place.replaceChildren();
    showError(place, error);
  }
  place.removeAttribute("aria-busy");
}

function bars(before, after) {
  const ranked = Object.keys(after.scores).sort((one, other) => after.scores[other] - after.scores[one]);
  const rows = ranked.map((label) => {
    const name = el("th", { scope: "row" }, after.labels.includes(label) ? el("strong", {}, label) : label);
    return el("tr", {}, name, cell(before.scores[label], "before"), cell(after.scores[label], "after"));
  });
  const head = el("tr", {}, ...["Label", "Before", "After calibration"].map((name) => el("th", { scope: "col" }, name)));
  return [
    el("h2", {}, after.label ?? "No label"),
    el("table", { class: "bars" }, el("thead", {}, head), el("tbody", {}, ...rows)),
    el("p", { class: "hint" }, "The model prefers some labels whatever the text says. Calibration measures that on texts that say nothing, and takes it out."),
  ];
}

function cell(share, kind) {
  const bar = el("span", { class: `bar ${kind}`, "aria-hidden": "true" });
  bar.style.setProperty("--share", share);
  return el("td", {}, el("span", { class: "number" }, percent(share)), bar);
}

export const classifyPython = () => classifyProgram(loadedFrom(get("model")), splitLabels(get("classify.labels")), get("classify.text"));
