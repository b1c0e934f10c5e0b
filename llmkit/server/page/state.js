// What is on the page, in the address behind `#`: it is not sent to the server, and a copied address shows the same.

import { byId, debounce } from "/page/dom.js";

const MOST_CHARACTERS = 60_000; // of an address; a longer one is not understood everywhere
const MOST_OF_A_VALUE = 1000; // where the address would be too long
const defaults = new Map();
const values = new Map();
const listeners = new Set();

/** Say what a value is where the address says nothing. */
export function setDefault(name, value) {
  defaults.set(name, String(value));
}

export const get = (name) => values.get(name) ?? defaults.get(name) ?? "";

export function set(name, value) {
  const text = String(value);
  if (get(name) === text) return;
  if (text === (defaults.get(name) ?? "")) values.delete(name);
  else values.set(name, text);
  writeAddress();
  for (const listener of listeners) listener(name);
}

/** Call `listener(name)` after each change; after one of the whole address, with `null`. */
export function onChange(listener) {
  listeners.add(listener);
}

export function readAddress() {
  values.clear();
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) values.set(name, value);
  for (const listener of listeners) listener(null);
}

const writeAddress = debounce(() => {
  const view = get("view");
  const kept = [...values].filter(([name]) => name !== "view");
  let text = new URLSearchParams([["view", view], ...kept]).toString();
  const isTooLong = text.length > MOST_CHARACTERS;
  byId("too-long").hidden = !isTooLong;
  if (isTooLong) {
    const short = kept.filter(([, value]) => value.length < MOST_OF_A_VALUE);
    text = new URLSearchParams([["view", view], ...short]).toString();
  }
  history.replaceState(null, "", `#${text}`);
}, 250);

/** Tie a text field, a number or a checkbox with `data-state` to its value. */
export function bind(input) {
  const name = input.dataset.state;
  input.dataset.bound = "";
  const isBox = input.type === "checkbox";
  const show = () => {
    if (isBox) input.checked = get(name) === "1";
    else if (input.value !== get(name)) input.value = get(name);
  };
  input.addEventListener("input", () => set(name, isBox ? (input.checked ? "1" : "") : input.value));
  onChange((changed) => (changed === null || changed === name) && show());
  show();
}
