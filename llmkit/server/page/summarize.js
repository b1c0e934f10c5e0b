// The view "Summarize": a summary whose sentences have numbers, and the text with the passages under the same numbers.

import { post } from "/page/api.js";
import { byId, el, percent, showError, whileRunning } from "/page/dom.js";
import { loadedFrom } from "/page/models.js";
import { markedText } from "/page/offsets.js";
import { summarizeProgram } from "/page/python.js";
import { get } from "/page/state.js";

const PASSAGES = 2; // at most, for each sentence of the summary
const NEAR = 0.4; // the least share of the best one's relevance

export function startSummarize() {
  const form = byId("summarize-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (get("summarize.text").trim()) whileRunning(form, byId("summarize-stop"), summarize);
  });
}

const words = () => (get("summarize.max_words") === "" ? null : Number(get("summarize.max_words")));

async function summarize(signal) {
  const [place, source] = [byId("summary"), byId("summarize-source")];
  const text = get("summarize.text");
  place.replaceChildren(el("p", { class: "hint" }, "Summarizing…"));
  source.hidden = true;
  try {
    const summary = await post("/v1/llmkit/summarize", { model: get("model"), text, max_words: words() }, signal);
    const sentences = summary.sentences.length ? summary.sentences : [{ text: summary.text, support: null }];
    const body = { text, questions: sentences.map((sentence) => sentence.text), top_k: PASSAGES };
    const { results } = await post("/v1/llmkit/retrieve", body, signal);
    place.replaceChildren(...shownSummary(summary, sentences));
    const spans = results.flatMap((found, index) => close(found).map(({ start, end }) => ({ start, end, index })));
    source.hidden = false;
    source.replaceChildren(...markedText(text, numbered(spans)));
  } catch (error) {
    place.replaceChildren();
    showError(place, error);
  }
}

/** Return the passages that have nearly as much in common with a sentence as the first one has. */
const close = (found) => found.filter((passage) => passage.relevance >= NEAR * found[0].relevance);

/** Return a mark for each passage, with the numbers of all sentences that stand on it. */
function numbered(spans) {
  const places = new Map();
  for (const { start, end, index } of spans) {
    const key = `${start}-${end}`;
    const mark = places.get(key) ?? { start, end, kind: "passage", numbers: [] };
    mark.numbers.push(index);
    places.set(key, mark);
  }
  const seen = new Set();
  return [...places.values()].map(({ numbers, ...mark }) => {
    const first = numbers.find((number) => !seen.has(number));
    numbers.forEach((number) => seen.add(number));
    const id = first === undefined ? null : `passage-${first}`;
    return { ...mark, id, note: numbers.map((number) => number + 1).join(", ") };
  });
}

function shownSummary(summary, sentences) {
  const parts = sentences.flatMap(({ text, support }, index) => {
    const title = support === null ? "" : `support ${percent(support)}`;
    const go = () => {
      const mark = byId(`passage-${index}`);
      mark?.scrollIntoView({ block: "center" });
      mark?.focus();
    };
    const name = `Passages of sentence ${index + 1}${title && `, ${title}`}`;
    return [text, el("button", { type: "button", class: "number", title, "aria-label": name, click: go }, String(index + 1)), " "];
  });
  const left = summary.left_out.map(({ text, support }) => el("li", {}, el("s", {}, text), el("small", {}, ` support ${percent(support)}`)));
  const notices = summary.notices.map((notice) => el("p", { class: "hint" }, notice));
  const cut = summary.complete ? [] : [el("p", { class: "hint" }, "The summary was cut at the most words.")];
  const out = left.length ? [el("h3", {}, "Left out: the text does not support it"), el("ul", {}, ...left)] : [];
  return [el("h2", {}, "Summary"), el("p", { class: "summary" }, ...parts), ...cut, ...notices, ...out];
}

export const summarizePython = () => summarizeProgram(loadedFrom(get("model")), get("summarize.text"), words());
