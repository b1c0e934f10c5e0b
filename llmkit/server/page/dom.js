// Elements are made here, and all text that a person, a page or a model wrote is put in as text, never as markup.

export const byId = (id) => document.getElementById(id);

/** Return an element: `props` are attributes, or, if a value is a function, listeners of the event with that name. */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Call `run` when `milliseconds` have passed without another call. */
export function debounce(run, milliseconds) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), milliseconds);
  };
}

export const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;

/** Show an error below the form that it belongs to. */
export function showError(place, error) {
  if (error.name === "AbortError") return;
  place.append(el("p", { class: "error", role: "alert" }, error.message));
}

/** Run a task that a button stops: the button is enabled meanwhile, and the form's own button disabled. */
export async function whileRunning(form, stopButton, task) {
  const submit = form.querySelector("button[type=submit]");
  const controller = new AbortController();
  const stop = () => controller.abort();
  submit.disabled = true;
  if (stopButton) {
    stopButton.disabled = false;
    stopButton.addEventListener("click", stop);
  }
  try {
    return await task(controller.signal);
  } finally {
    submit.disabled = false;
    if (stopButton) {
      stopButton.disabled = true;
      stopButton.removeEventListener("click", stop);
    }
  }
}
