// The view "Read": a text or a page with questions; quotes, answers and names are marked where they stand in it.

import { post } from "/page/api.js";
import { splitLabels } from "/page/classify.js";
import { byId, el, percent, showError, whileRunning } from "/page/dom.js";
import { loadedFrom } from "/page/models.js";
import { markedText } from "/page/offsets.js";
import { readProgram } from "/page/python.js";
import { get, set } from "/page/state.js";

let fetched = { address: "", text: "" }; // the page whose text was put into the field

const questions = () => get("read.questions").split("\n").map((line) => line.trim()).filter(Boolean);

export function startRead() {
  const form = byId("read-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    whileRunning(form, byId("read-stop"), read);
  });
  byId("fetch").addEventListener("click", () => whileRunning(form, byId("read-stop"), fetchPage));
  byId("address").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    byId("fetch").click();
  });
}

async function fetchPage(signal) {
  const place = byId("answers");
  place.replaceChildren(el("p", { class: "hint" }, "Reading the page…"));
  try {
    const page = await post("/v1/llmkit/document", { url: get("read.address").trim() }, signal);
    fetched = { address: get("read.address").trim(), text: page.text };
    set("read.text", page.text);
    place.replaceChildren(el("p", { class: "hint" }, page.title ? `${page.title}, from ${page.source}` : `From ${page.source}`));
  } catch (error) {
    place.replaceChildren();
    showError(place, error);
  }
}

async function read(signal) {
  if (!get("read.text").trim() && get("read.address").trim()) await fetchPage(signal);
  const text = get("read.text");
  if (!text.trim()) return;
  const place = byId("answers");
  const spans = [];
  place.replaceChildren();
  place.setAttribute("aria-busy", "true");
  const show = () => showSource(text, spans);
  show();
  try {
    for (const [index, question] of questions().entries()) {
      const answer = await post("/v1/llmkit/ask", { model: get("model"), question, text }, signal);
      answer.citations.forEach((citation, number) => spans.push(...citationSpans(citation, `quote-${index}-${number}`)));
      show();
      place.append(answerCard(question, answer, index));
    }
    const labels = splitLabels(get("read.names"));
    if (labels.length) {
      const found = await post("/v1/llmkit/entities", { model: get("model"), text, labels }, signal);
      found.entities.forEach(({ start, end, label }, number) => spans.push({ start, end, kind: "name", note: label, id: `name-${number}` }));
      show();
      place.append(nameList(found.entities));
    }
  } catch (error) {
    showError(place, error);
  }
  place.removeAttribute("aria-busy");
}

function citationSpans({ start, end, answer_start: from, answer_end: to }, id) {
  const quote = { start, end, kind: "quote", id };
  return from === null || to === null ? [quote] : [quote, { start: from, end: to, kind: "answer" }];
}

function showSource(text, spans) {
  const source = byId("read-source");
  source.hidden = false;
  source.replaceChildren(...markedText(text, spans));
}

/** Return a button that leads to a mark in the text. */
function linkTo(id, text, kind) {
  const go = () => {
    const mark = byId(id);
    mark?.scrollIntoView({ block: "center" });
    mark?.focus();
  };
  return el("button", { type: "button", class: `to-mark ${kind}`, click: go }, text);
}

function answerCard(question, answer, index) {
  const facts = answer.found ? ` ${percent(answer.confidence)}${answer.calibrated ? "" : ", not calibrated"}` : "";
  const said = answer.found ? el("strong", {}, answer.text) : el("em", {}, "The text does not say.");
  const quotes = answer.citations.map((citation, number) => el("li", {}, linkTo(`quote-${index}-${number}`, citation.quote, "quote")));
  return el("section", { class: "card" }, el("h3", {}, question), el("p", {}, said, el("small", {}, facts)), quotes.length ? el("ul", {}, ...quotes) : null);
}

function nameList(entities) {
  const entries = entities.map(({ text, label }, number) => el("li", {}, linkTo(`name-${number}`, text, "name"), el("small", {}, ` ${label}`)));
  const list = entries.length ? el("ul", { class: "names" }, ...entries) : el("p", {}, el("em", {}, "None was found."));
  return el("section", { class: "card" }, el("h3", {}, "Names"), list);
}

export function readPython() {
  const text = get("read.text");
  const address = get("read.address").trim();
  const isPage = address && (!text.trim() || (fetched.address === address && fetched.text === text));
  const names = splitLabels(get("read.names"));
  return readProgram(loadedFrom(get("model")), { address: isPage ? address : "", text, questions: questions(), names });
}
