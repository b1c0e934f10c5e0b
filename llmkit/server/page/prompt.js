// The view "Prompt": a prompt with examples, and what the context window holds of it, as one types.

import { Answer } from "/page/answer.js";
import { post } from "/page/api.js";
import { byId, debounce, el, percent, showError, whileRunning } from "/page/dom.js";
import { contextWindow, loadedFrom } from "/page/models.js";
import { promptProgram } from "/page/python.js";
import { get, onChange, set, setDefault } from "/page/state.js";

const FIELDS = ["instruction", "input_label", "output_label", "text", "max_new_tokens", "context_window"];
const KINDS = { instruction: "instruction", input: "input", "output start": "output", markup: "markup", "reserved for the completion": "reserved", free: "free" };
const WAIT = 350; // milliseconds without a key before the budget is asked for
let controller = new AbortController();
let fitted = null;

export function startPrompt() {
  setDefault("prompt.max_new_tokens", 64);
  setDefault("prompt.examples", "[]");
  byId("add-example").addEventListener("click", () => {
    keepExamples([...examples(), { input: "", output: "" }]);
    showExamples();
    byId("examples").lastChild.querySelector("textarea").focus();
  });
  const update = debounce(showBudget, WAIT);
  onChange((name) => {
    if (name === null) showExamples();
    if (name === null || name === "model") byId("window").placeholder = contextWindow(get("model")) || "";
    const changesBudget = name === null || ["view", "model"].includes(name) || name.startsWith("prompt.");
    if (get("view") === "prompt" && changesBudget) update();
  });
  const answer = new Answer(request, () => false);
  answer.body.setAttribute("aria-live", "polite");
  const form = byId("prompt-form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await showBudget();
    if (!fitted) return;
    byId("prompt-answer").replaceChildren(answer.element);
    await whileRunning(form, byId("prompt-stop"), async (signal) => {
      signal.addEventListener("abort", () => answer.stop());
      await answer.run();
    });
  });
}

function request() {
  const stop = fitted.stop.length ? { stop: fitted.stop } : {};
  const limit = Number(get("prompt.max_new_tokens"));
  return { model: get("model"), messages: fitted.messages, temperature: 0, max_tokens: limit, ...stop };
}

/** Return the examples in the address, or none if it is damaged. */
function examples() {
  try {
    const found = JSON.parse(get("prompt.examples"));
    return found.map((one) => ({ input: String(one.input), output: String(one.output) }));
  } catch {
    return [];
  }
}

const keepExamples = (kept) => set("prompt.examples", JSON.stringify(kept));

function showExamples() {
  byId("examples").replaceChildren(...examples().map(exampleRow));
}

function exampleRow({ input, output }, index) {
  const field = (name, value) => {
    const change = (event) => keepExamples(examples().map((one, place) => (place === index ? { ...one, [name]: event.target.value } : one)));
    const area = el("textarea", { rows: 1, "aria-label": `Example ${index + 1}, ${name}`, placeholder: name, input: change });
    area.value = value;
    return area;
  };
  const remove = () => {
    keepExamples(examples().filter((_, place) => place !== index));
    showExamples();
    byId("add-example").focus();
  };
  const button = el("button", { type: "button", class: "quiet", "aria-label": `Remove example ${index + 1}`, click: remove }, "Remove");
  return el("li", {}, field("input", input), field("output", output), button);
}

/** Return what is asked for; examples without an input or an output are not finished, and left out. */
function asked() {
  const fields = Object.fromEntries(FIELDS.map((name) => [name, get(`prompt.${name}`)]));
  const whole = examples().filter((one) => one.input.trim() && one.output.trim());
  const number = (text) => (text === "" ? null : Number(text));
  const limits = { max_new_tokens: number(fields.max_new_tokens), context_window: number(fields.context_window) };
  return { model: get("model"), ...fields, ...limits, examples: whole };
}

async function showBudget() {
  controller.abort();
  controller = new AbortController();
  const place = byId("budget");
  fitted = null;
  if (!get("prompt.text").trim()) {
    place.replaceChildren(el("p", { class: "hint" }, "Write a text, and see here how many tokens each part takes, and which examples fit beside it."));
    return;
  }
  try {
    const answer = await post("/v1/llmkit/budget", asked(), controller.signal);
    if (!answer.fits) throw new Error(answer.message);
    fitted = answer;
    place.replaceChildren(...budget(answer));
  } catch (error) {
    if (error.name === "AbortError") return;
    place.replaceChildren();
    showError(place, error);
  }
}

function budget({ parts, left_out: leftOut, context_window: window, tokens, text }) {
  const shown = parts.filter((part) => part.tokens !== 0);
  const bar = el("div", { class: "budget-bar", role: "img", "aria-label": `${tokens} tokens of prompt in a window of ${window}` });
  const rows = shown.map((part, index) => {
    const color = `part-${KINDS[part.name] ?? `example-${index % 2}`}`;
    const segment = el("span", { class: color, title: `${part.name}: ${part.tokens} tokens` });
    segment.style.flexGrow = Math.max(part.tokens, 0);
    bar.append(segment);
    const name = el("th", { scope: "row" }, el("span", { class: `swatch ${color}`, "aria-hidden": "true" }), part.name);
    return el("tr", {}, name, el("td", {}, part.tokens.toLocaleString("en")), el("td", {}, percent(part.tokens / window)));
  });
  const head = el("tr", {}, ...["Part", "Tokens", "Share"].map((name) => el("th", { scope: "col" }, name)));
  const table = el("table", {}, el("caption", {}, `${window.toLocaleString("en")} tokens of context window`), el("thead", {}, head), el("tbody", {}, ...rows));
  const missing = leftOut.map((one) => el("li", {}, el("q", {}, one.example), ` ${one.tokens} tokens: it ${one.reason}`));
  const left = missing.length ? [el("h3", {}, "Left out"), el("ul", { class: "left-out" }, ...missing)] : [];
  const whole = el("details", {}, el("summary", {}, "The whole prompt"), el("pre", {}, text));
  return [bar, table, ...left, whole];
}

export function promptPython() {
  const { instruction, input_label, output_label, text, max_new_tokens: reserved, context_window: window, examples: shown } = asked();
  return promptProgram(loadedFrom(get("model")), { instruction, input_label, output_label, text, reserved, window, examples: shown });
}
