// The view "Chat": a conversation that is streamed, stopped, answered again, and gone on with.

import { Answer } from "/page/answer.js";
import { byId, el } from "/page/dom.js";
import { loadedFrom } from "/page/models.js";
import { chatProgram } from "/page/python.js";
import { buildSettings, chosenSettings } from "/page/settings.js";
import { get, onChange, set, setDefault } from "/page/state.js";

const NEAR_END = 200; // pixels
let turns = []; // {role, content, answer}, as they are on the page

const running = () => turns.some((turn) => turn.answer?.isRunning);

export function startChat() {
  setDefault("messages", "[]");
  const settings = document.querySelector("#chat .settings");
  settings.open = window.innerWidth >= 900; // else they are below the conversation
  buildSettings(settings, "");
  const form = byId("chat-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  byId("message").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  byId("chat").addEventListener("keydown", (event) => event.key === "Escape" && stop());
  byId("chat-stop").addEventListener("click", stop);
  byId("chat-again").addEventListener("click", answerAgain);
  byId("chat-clear").addEventListener("click", clear);
  onChange((name) => {
    if (name === null) restore();
    if (name === "probabilities") for (const turn of turns) turn.answer?.show();
  });
}

function stop() {
  for (const turn of turns) turn.answer?.stop();
}

function messagesBefore(answer) {
  const before = turns.slice(0, turns.findIndex((turn) => turn.answer === answer));
  const messages = before.map(({ role, content, answer: said }) => ({ role, content: said ? said.text : content }));
  const system = get("system").trim();
  return system ? [{ role: "system", content: system }, ...messages] : messages;
}

function send() {
  const box = byId("message");
  if (!box.value.trim() || running()) return;
  add({ role: "user", content: box.value });
  box.value = "";
  generate(addAnswer());
}

function answerAgain() {
  if (running() || !turns.length) return;
  const last = turns.at(-1);
  generate(last.answer ?? addAnswer());
}

function clear() {
  stop();
  turns = [];
  byId("messages").replaceChildren();
  keep();
  byId("message").focus();
}

async function generate(answer) {
  byId("chat-stop").disabled = false;
  await answer.run();
  if (document.activeElement === document.body) byId("message").focus(); // else the focus is where it was put meanwhile
}

function addAnswer(text = "") {
  const answer = new Answer(
    () => ({ model: get("model"), messages: messagesBefore(answer), ...chosenSettings("") }),
    () => get("probabilities") === "1",
    () => {
      byId("chat-stop").disabled = !answer.isRunning;
      followEnd();
      if (!answer.isRunning) forget(answer);
    },
  );
  answer.text = text;
  answer.show();
  add({ role: "assistant", answer });
  return answer;
}

/** Keep the end of the page in view for those who are there; others are not moved. */
function followEnd() {
  const page = document.documentElement;
  const below = page.scrollHeight - page.scrollTop - page.clientHeight;
  if (below > 0 && below < NEAR_END) page.scrollTop = page.scrollHeight;
}

/** Drop the turns after an answer that has changed, which answered to another text. */
function forget(answer) {
  const place = turns.findIndex((turn) => turn.answer === answer);
  for (const turn of turns.splice(place + 1)) turn.element.remove();
  keep();
}

function add(turn) {
  const name = turn.answer ? "Model" : "You";
  const body = turn.answer ? turn.answer.element : el("div", { class: "text" }, turn.content);
  turn.element = el("li", { class: turn.role }, el("h2", {}, name), body);
  if (turn.answer) body.firstChild.setAttribute("aria-live", "polite");
  turns.push(turn);
  byId("messages").append(turn.element);
  turn.element.scrollIntoView({ block: "nearest" });
}

function keep() {
  const said = turns.map(({ role, content, answer }) => [role[0], answer ? answer.text : content]);
  set("messages", JSON.stringify(said));
}

function restore() {
  const said = JSON.stringify(turns.map(({ role, content, answer }) => [role[0], answer ? answer.text : content]));
  if (said === get("messages") || running()) return;
  turns = [];
  byId("messages").replaceChildren();
  for (const [role, content] of readMessages()) {
    if (role === "a") addAnswer(content);
    else add({ role: "user", content });
  }
}

/** Return the messages in the address, or none if it is damaged. */
function readMessages() {
  try {
    const found = JSON.parse(get("messages"));
    const isMessage = (one) => Array.isArray(one) && ["u", "a"].includes(one[0]) && typeof one[1] === "string";
    return Array.isArray(found) && found.every(isMessage) ? found : [];
  } catch {
    return [];
  }
}

export function chatPython() {
  const messages = turns.map(({ role, content, answer }) => ({ role, content: answer ? answer.text : content }));
  while (messages.at(-1)?.role === "assistant") messages.pop();
  const typed = byId("message").value;
  if (typed.trim()) messages.push({ role: "user", content: typed });
  if (!messages.length) messages.push({ role: "user", content: "Hello!" });
  const system = get("system").trim();
  if (system) messages.unshift({ role: "system", content: system });
  return chatProgram(loadedFrom(get("model")), chosenSettings("", true), messages);
}
