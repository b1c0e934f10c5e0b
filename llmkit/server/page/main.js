// The start of the page: the key, the models, the views, and the program that can be copied.

import { get as fetchJson, keepKey, takeKey } from "/page/api.js";
import { chatPython, startChat } from "/page/chat.js";
import { classifyPython, startClassify } from "/page/classify.js";
import { comparePython, startCompare } from "/page/compare.js";
import { byId, el } from "/page/dom.js";
import { keepModels, names } from "/page/models.js";
import { promptPython, startPrompt } from "/page/prompt.js";
import { readPython, startRead } from "/page/read.js";
import { bind, get, onChange, readAddress, set, setDefault } from "/page/state.js";
import { startSummarize, summarizePython } from "/page/summarize.js";

const PROGRAMS = {
  chat: chatPython,
  compare: comparePython,
  prompt: promptPython,
  classify: classifyPython,
  read: readPython,
  summarize: summarizePython,
};

takeKey();

function askForKey() {
  const form = byId("key-form");
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepKey(byId("key").value);
    location.reload();
  });
  byId("key").focus();
}

async function loadModels() {
  const status = byId("status");
  try {
    keepModels((await fetchJson("/v1/models")).data);
    status.hidden = true;
  } catch (error) {
    status.textContent = error.message;
    status.hidden = false;
    if (error.status === 401) askForKey();
  }
}

function startModelChoice() {
  const choice = byId("model");
  choice.append(...names().map((name) => el("option", { value: name }, name)));
  choice.disabled = names().length < 2;
  choice.dataset.state = "model";
  setDefault("model", names()[0] ?? "");
  bind(choice);
}

const currentView = () => (Object.hasOwn(PROGRAMS, get("view")) ? get("view") : "chat");

function showView() {
  const view = currentView();
  for (const section of document.querySelectorAll("main > .view")) section.hidden = section.id !== view;
  document.querySelector(".model").hidden = view === "compare" && names().length > 1; // each side has its own choice
  for (const link of document.querySelectorAll("nav a")) {
    const isCurrent = link.hash === `#view=${view}`;
    if (isCurrent) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (isCurrent) document.title = `${link.textContent} · llmkit`;
  }
}

function startNavigation() {
  for (const link of document.querySelectorAll("nav a")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      set("view", new URLSearchParams(link.hash.slice(1)).get("view"));
    });
  }
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("main").focus();
  });
  onChange((name) => (name === null || name === "view") && showView());
  window.addEventListener("hashchange", () => {
    takeKey();
    readAddress();
  });
}

function startExport() {
  const dialog = byId("export");
  byId("python").addEventListener("click", () => {
    byId("export-code").textContent = PROGRAMS[currentView()]();
    dialog.showModal();
  });
  byId("export-copy").addEventListener("click", async (event) => {
    await navigator.clipboard.writeText(byId("export-code").textContent);
    event.target.textContent = "Copied";
    setTimeout(() => (event.target.textContent = "Copy"), 1500);
  });
}

setDefault("view", "chat");
await loadModels();
startModelChoice();
startNavigation();
startChat();
startCompare();
startPrompt();
startClassify();
startRead();
startSummarize();
startExport();
for (const input of document.querySelectorAll("[data-state]:not([data-bound])")) bind(input);
readAddress();
