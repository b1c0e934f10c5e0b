// Tokens with their probabilities: what the API's `logprobs` say, as pieces of the text, and as elements.

import { el, percent } from "/page/dom.js";

const LEVELS = [0.9, 0.5, 0.2, 0.05]; // a token with less than the first is colored, with less than the last most
const END = /^(<\|[^|]*\|>|<\/?[a-z_]+>)$/i; // how tokens are written that end an answer and are no part of its text

/**
 * Return the tokens as pieces {text, token, probability, alternatives}, whose texts together are `text`.
 *
 * A character that several tokens share is one piece with the probability of them all. Tokens that are not in the text,
 * such as those of reasoning, are left out, but for the one that ended the answer, whose text is "".
 */
export function pieces(content, text) {
  const decoder = new TextDecoder();
  const found = [];
  let [place, shared] = [0, 1];
  for (const [index, entry] of content.entries()) {
    const written = entry.bytes ? decoder.decode(Uint8Array.from(entry.bytes), { stream: true }) : entry.token;
    const probability = shared * Math.exp(entry.logprob);
    const isPart = written === "" && entry.bytes?.length > 0;
    shared = isPart ? probability : 1;
    if (isPart) continue;
    const part = place ? written : withoutMissingSpace(written, text);
    const isInText = part !== "" && text.startsWith(part, place);
    if (!isInText && index + 1 < content.length) continue;
    place += isInText ? part.length : 0;
    found.push({ text: isInText ? part : "", token: entry.token, probability, alternatives: alternatives(entry) });
  }
  if (place < text.length && found.length) found[found.length - 1].text += text.slice(place);
  return found;
}

/** Return the first token without the space before it that the text does not have. */
const withoutMissingSpace = (token, text) => (text.startsWith(token) ? token : token.trimStart());

const alternatives = (entry) =>
  (entry.top_logprobs ?? []).map((other) => ({ token: other.token, probability: Math.exp(other.logprob) }));

/** Return whether a token is only a part of a character, so that no text can end with it. */
export const isPartial = (token) => token.startsWith("bytes:") || token.includes("\uFFFD");

export const level = (probability) => LEVELS.filter((limit) => probability < limit).length;

export const isEnd = (token) => END.test(token);

/** Return a token's text so that white space can be seen. */
export function visible(token) {
  if (isEnd(token)) return "the answer ends";
  return token.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replace(/^ | $/g, "␣") || "nothing";
}

/** Return the elements of pieces; `choose(index)` is called for the one that is clicked. One of them has the tab stop. */
export function tokenElements(found, choose) {
  const elements = found.map((piece, index) => {
    const note = `${visible(piece.text || piece.token)}, ${percent(piece.probability)}`;
    const classes = `token level-${level(piece.probability)}${piece.text ? "" : " end"}`;
    const properties = { class: classes, role: "button", tabindex: index ? -1 : 0, title: note, "aria-label": note };
    return el("span", { ...properties, click: () => choose(index) }, piece.text || "■");
  });
  elements.forEach((element, index) => {
    element.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) focusOne(elements, index + step);
      else if (event.key === "Enter" || event.key === " ") choose(index);
      else return;
      event.preventDefault();
    });
  });
  return elements;
}

function focusOne(elements, index) {
  const next = elements[Math.min(Math.max(index, 0), elements.length - 1)];
  for (const element of elements) element.tabIndex = element === next ? 0 : -1;
  next.focus();
}

/** Return the legend of the colors. */
export function legend() {
  const names = ["90 % or more", "50 to 90 %", "20 to 50 %", "5 to 20 %", "less than 5 %"];
  const entries = names.map((name, index) => el("span", { class: `token level-${index}` }, name));
  return el("p", { class: "legend", "aria-hidden": "true" }, "Probability of each token: ", ...entries);
}
