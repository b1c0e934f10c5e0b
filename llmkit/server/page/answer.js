// One answer of the model, while it is streamed and after it: its text, the tokens of it, and going on from another one.

import { stream } from "/page/api.js";
import { el, percent, showError } from "/page/dom.js";
import { TokenReader, isEnd, isPartial, legend, listenToTokens, tokenElement, visible } from "/page/tokens.js";

const ALTERNATIVES = 8;

export class Answer {
  /**
   * `request()` returns the body of a request without the answer so far; `colored()` says whether tokens are colored;
   * `changed()` is called when an answer begins, and after each change of it.
   */
  constructor(request, colored, changed = () => {}) {
    this.request = request;
    this.colored = colored;
    this.changed = changed;
    this.text = "";
    this.pieces = [];
    this.controller = null;
    this.rest = document.createTextNode(""); // the text behind the tokens that are shown
    this.body = el("div", { class: "text" }, this.rest);
    listenToTokens(this.body, (index) => this.showAlternatives(index));
    this.legend = legend();
    this.foot = el("div", { class: "foot" }, this.legend);
    this.show();
    this.element = el("div", { class: "answer" }, this.body, this.foot);
  }

  get isRunning() {
    return this.controller !== null;
  }

  stop() {
    this.controller?.abort();
  }

  /** Generate an answer that begins with the text of `start`, pieces of an answer; wait for its end. */
  async run(start = []) {
    this.stop();
    const controller = new AbortController();
    this.controller = controller;
    this.pieces = [...start];
    this.text = start.map((piece) => piece.text).join("");
    this.foot.replaceChildren(this.legend);
    this.element.setAttribute("aria-busy", "true");
    const facts = { added: "", usage: null, reason: null, tokens: new TokenReader() };
    try {
      await this.read(controller, facts);
    } catch (error) {
      if (error.name === "AbortError") facts.reason ??= "stopped";
      else showError(this.foot, error);
    }
    if (this.controller !== controller) return;
    this.controller = null;
    this.element.removeAttribute("aria-busy");
    this.grow(facts.tokens.read([], facts.added, true));
    this.showFacts(facts);
    this.changed();
  }

  async read(controller, facts) {
    const body = this.request();
    const messages = this.text ? [...body.messages, { role: "assistant", content: this.text }] : body.messages;
    const asked = { ...body, messages, stream_options: { include_usage: true } };
    if (this.colored()) Object.assign(asked, { logprobs: true, top_logprobs: ALTERNATIVES });
    this.show();
    this.changed();
    for await (const chunk of stream("/v1/chat/completions", asked, controller.signal)) {
      if (this.controller !== controller) return;
      facts.usage = chunk.usage ?? facts.usage;
      const choice = chunk.choices?.[0];
      if (!choice) continue;
      facts.reason = choice.finish_reason ?? facts.reason;
      const added = choice.delta?.content ?? "";
      facts.added += added;
      this.text += added;
      this.grow(facts.tokens.read(choice.logprobs?.content ?? [], facts.added));
      if (added) this.changed();
    }
  }

  /** Show the text so far: as tokens, if they are known and to be colored. */
  show() {
    this.body.replaceChildren(this.rest);
    this.showMore(this.colored() ? this.pieces : []);
  }

  /** Add pieces, and show them and the text behind them; what is shown already stays, with its focus. */
  grow(more) {
    this.pieces.push(...more);
    this.showMore(this.colored() ? more : []);
  }

  showMore(pieces) {
    const isFirst = this.body.children.length === 0;
    this.rest.before(...pieces.map((piece, index) => tokenElement(piece, isFirst && index === 0)));
    const count = this.body.children.length;
    const length = this.pieces.slice(0, count).reduce((sum, piece) => sum + piece.text.length, 0);
    this.rest.data = this.text.slice(length);
    this.body.classList.toggle("colored", count > 0);
    this.legend.hidden = count === 0;
  }

  showFacts({ usage, reason }) {
    const ends = { length: "ended by max_tokens", stopped: "stopped", tool_calls: "called a tool" };
    const parts = [ends[reason], usage && `${usage.completion_tokens} tokens after ${usage.prompt_tokens} of the prompt`];
    const text = parts.filter(Boolean).join(" · ");
    if (text) this.legend.before(el("small", {}, text));
  }

  showAlternatives(index) {
    this.foot.querySelector(".alternatives")?.remove();
    const piece = this.pieces[index];
    const others = piece.alternatives.some((other) => other.token === piece.token)
      ? piece.alternatives
      : [{ token: piece.token, probability: piece.probability }, ...piece.alternatives];
    const panel = el("div", { class: "alternatives", role: "group", "aria-label": "What the model could have written here" });
    const close = () => {
      panel.remove();
      this.body.children[index]?.focus();
    };
    const buttons = others.map((other) => this.alternativeButton(index, other, other.token === piece.token));
    panel.append(el("p", {}, "Go on from another token:"), ...buttons, el("button", { type: "button", class: "quiet", click: close }, "Close"));
    panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      close();
    });
    this.foot.prepend(panel);
    for (const [place, token] of [...this.body.children].entries()) token.classList.toggle("chosen", place === index);
    panel.querySelector("button:not(:disabled)")?.focus();
  }

  alternativeButton(index, other, isWritten) {
    const bar = el("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", other.probability);
    const text = `${visible(other.token)} `;
    const go = () => this.goOnFrom(index, other);
    const disabled = isWritten || isPartial(other.token);
    return el("button", { type: "button", disabled, click: go }, bar, el("span", { class: "name" }, text), el("small", {}, percent(other.probability)));
  }

  /** Keep the answer up to a token, put another one in its place, and let the model go on. */
  goOnFrom(index, other) {
    const kept = this.pieces.slice(0, index);
    const text = isEnd(other.token) ? "" : index ? other.token : other.token.trimStart();
    const chosen = { ...this.pieces[index], text, token: other.token, probability: other.probability };
    if (text) {
      this.run([...kept, chosen]);
      this.body.children[index]?.focus(); // the button that had the focus is gone
      return;
    }
    this.stop();
    this.controller = null;
    this.element.removeAttribute("aria-busy");
    this.pieces = [...kept, chosen];
    this.text = kept.map((piece) => piece.text).join("");
    this.foot.replaceChildren(this.legend);
    this.show();
    this.body.children[index]?.focus();
    this.changed();
  }
}
