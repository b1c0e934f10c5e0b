// Requests to the server that this page comes from; no other address is ever asked.

const KEY = "llmkit-key";
const CUT = "The server ended the answer in the middle: is `llmkit serve` still running?";

/** Take the key out of the address before anything else can read it, and keep it for this tab. */
export function takeKey() {
  const given = new URLSearchParams(location.hash.slice(1));
  const key = given.get("key");
  if (key === null) return;
  sessionStorage.setItem(KEY, key);
  given.delete("key");
  history.replaceState(null, "", `${location.pathname}${given.size ? `#${given}` : ""}`);
}

/** Keep a key that was typed for this tab. */
export function keepKey(key) {
  sessionStorage.setItem(KEY, key);
}

function headers() {
  const key = sessionStorage.getItem(KEY);
  return { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

async function request(path, body, signal) {
  const options = { method: body === undefined ? "GET" : "POST", headers: headers(), signal, credentials: "omit" };
  if (body !== undefined) options.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer: is `llmkit serve` still running?");
  }
  if (!response.ok) throw Object.assign(new Error(await errorText(response)), { status: response.status });
  return response;
}

async function errorText(response) {
  if (response.status === 401) return "This server wants the key that it was started with.";
  try {
    const found = await response.json();
    return found.error.message;
  } catch {
    return `The server answered ${response.status} ${response.statusText}`;
  }
}

export async function get(path) {
  return (await request(path)).json();
}

export async function post(path, body, signal) {
  return (await request(path, body, signal)).json();
}

/** Yield the objects of a stream of server-sent events, up to `[DONE]`; fail where the stream ends without it. */
export async function* stream(path, body, signal) {
  const response = await request(path, { ...body, stream: true }, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await nextPart(reader);
    if (done) throw new Error(CUT);
    const events = (pending + value).split(/\r?\n\r?\n/);
    pending = events.pop();
    for (const event of events) {
      const data = event.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
      if (!data.length) continue;
      if (data[0] === "[DONE]") return;
      const found = JSON.parse(data.join("\n"));
      if (found.error) throw new Error(found.error.message);
      yield found;
    }
  }
}

async function nextPart(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(CUT);
  }
}
