// The page of the calls: reads /docs.json, and shows each call with its parameters, examples and errors.

import { at, on } from "./dom.js";
import { byTag, curlLines, exampleOf, fields, resolve, typeOf, use } from "./openapi.js";
import { exchange } from "./service.js";

// Elements, without markup in strings: descriptions are text, whatever stands in them.
function make(tag, attributes, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

// `names` in text, as they are in Markdown.
const prose = (text) => text.split("`").map((piece, index) => (index % 2 ? make("code", {}, piece) : piece));

function table(className, heads, rows) {
  if (!rows.length) return "";
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  const lines = rows.map(([first, ...others]) =>
    make("tr", {}, make("th", { scope: "row" }, first), ...others.map((cell) => make("td", {}, ...[cell].flat()))),
  );
  return make("table", { className }, make("thead", {}, head), make("tbody", {}, ...lines));
}

function fieldTable(rows) {
  const cells = rows.map(({ path, type, required, says }) => [
    make("code", {}, path),
    required ? `${type}, required` : type,
    prose(says),
  ]);
  return table("fields", ["name", "type", "meaning"], cells);
}

// Examples

const code = (example) => (typeof example === "string" ? example : JSON.stringify(example, null, 2));

function exampleBlock(text, label, wrapped) {
  const pre = make("pre", { className: wrapped ? "wrapped" : "", tabIndex: 0 }, make("code", {}, text));
  pre.setAttribute("aria-label", label);
  pre.setAttribute("role", "region");
  const block = make("div", { className: "example" }, pre);
  if (wrapped && navigator.clipboard) {
    const copy = make("button", { type: "button" }, "Copy");
    copy.setAttribute("aria-label", `Copy: ${label}`);
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy"), 2000);
    });
    block.append(copy);
  }
  return block;
}

// One call

const heading = (text) => make("h4", {}, text);
const part = (title, ...content) => (content.some(Boolean) ? [heading(title), ...content] : []);

// [types, schema] of each kind of body that a call takes.
function bodies({ requestBody }) {
  const kinds = new Map();
  for (const [type, { schema }] of Object.entries(resolve(requestBody).content ?? {})) {
    const key = JSON.stringify(schema);
    kinds.set(key, [[...(kinds.get(key)?.[0] ?? []), type], schema]);
  }
  return [...kinds.values()];
}

function showCall(call) {
  const { method, path, summary = "", description = "", operationId } = call;
  const name = `${method.toUpperCase()} ${path}`;
  const parameters = (call.parameters ?? []).map(resolve).map((parameter) => ({
    path: parameter.name,
    type: `${typeOf(parameter.schema)} in the ${parameter.in}`,
    required: parameter.required,
    says: parameter.description ?? "",
  }));
  const requests = bodies(call).flatMap(([types, schema]) =>
    part(`Body: ${types.join(" or ")}`, fieldTable(fields(schema)) || make("p", {}, `A ${typeOf(schema)}.`)),
  );
  const statuses = Object.entries(call.responses).map(([status, response]) => [status, resolve(response)]);
  const answers = statuses.filter(([status]) => status < 400).flatMap(([status, response]) => showAnswer(name, status, response));
  const errors = statuses.filter(([status]) => !(status < 400)).map(([status, response]) => [status, showError(response)]);
  const title = make("h3", {}, make("span", { className: "method" }, method.toUpperCase()), " ", make("code", {}, path));
  const body = make(
    "div",
    { className: "body" },
    ...(description ? [make("p", {}, ...prose(description))] : []),
    ...part("Try it", ...curlLines(call).map((line, index) => exampleBlock(line, `curl ${index + 1} of ${name}`, true))),
    ...part("Parameters", fieldTable(parameters)),
    ...requests,
    ...answers,
    ...part("Errors", table("errors", ["status", "says"], errors)),
  );
  const details = make("details", { id: operationId }, make("summary", {}, title, make("span", {}, summary)), body);
  details.addEventListener("toggle", () => details.open && history.replaceState(null, "", `#${operationId}`));
  return details;
}

function showAnswer(name, status, { description, content = {} }) {
  return Object.entries(Object.keys(content).length ? content : { "": {} }).flatMap(([type, media]) => {
    const example = exampleOf(media);
    return [
      heading([`Answer: ${status}`, type].filter(Boolean).join(", ")),
      make("p", {}, description),
      example === undefined ? "" : exampleBlock(code(example), `answer ${status} of ${name}`, false),
      fieldTable(fields(media.schema)),
    ];
  });
}

// Each of its examples by what it says; without examples, what the status means.
function showError({ description, content = {} }) {
  const examples = Object.values(content).flatMap(({ examples: named }) => Object.values(named ?? {}));
  const said = examples.map(({ summary, value }) => `${summary ?? description}: ${value?.detail ?? JSON.stringify(value)}`);
  return (said.length ? said : [description]).map((text) => make("p", {}, ...prose(text)));
}

// The page

function show(api) {
  use(api);
  at("about").textContent = api.info.description;
  const groups = byTag();
  const about = new Map(api.tags.map(({ name, description }) => [name, description]));
  at("calls").append(
    ...groups.flatMap(([tag, group]) => [
      make("h2", {}, tag),
      make("p", { className: "lead" }, about.get(tag) ?? ""),
      ...group.map(showCall),
    ]),
  );
  at("contents").append(
    ...groups.flatMap(([tag, group]) => [
      make("h2", {}, tag),
      make("ul", {}, ...group.map(({ operationId, method, path }) =>
        make("li", {}, make("a", { href: `#${operationId}` }, `${method.toUpperCase()} ${path}`)))),
    ]),
  );
  at("contents").hidden = false;
  reveal();
}

// The call that the address names is open, and in sight.
function reveal() {
  const call = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!(call instanceof HTMLDetailsElement)) return;
  call.open = true;
  call.scrollIntoView();
  call.firstElementChild.focus({ preventScroll: true });
}

async function start() {
  const { body, problem } = await exchange("docs.json");
  at("locked").hidden = problem?.status !== 401;
  if (problem) {
    at("about").textContent = problem.detail;
    return;
  }
  show(body);
}

on("locked", "submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", at("key").value.trim());
  start();
});
addEventListener("hashchange", reveal);

start();
