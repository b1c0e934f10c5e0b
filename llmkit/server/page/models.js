// The models of the server, as /v1/models lists them.

let served = [];

/** Keep the models that generate text; an embedder has no such length. */
export function keepModels(listed) {
  served = listed.filter((model) => model.max_model_len);
}

export const names = () => served.map((model) => model.id);

const facts = (name) => served.find((model) => model.id === name);

/** Return the most tokens of a prompt and its answer; nothing for a model that is not here. */
export const contextWindow = (name) => facts(name)?.max_model_len;

/** Return what a model is loaded from in Python, where clients may call it by another name. */
export const loadedFrom = (name) => facts(name)?.root ?? name;

/** Return a setting that the server was started with, by llmkit's name; the same holds for all its models. */
export const startedWith = (name) => served[0]?.settings?.[name];
