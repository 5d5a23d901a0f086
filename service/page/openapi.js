// An OpenAPI document, read: its calls, the fields of its schemas, and curl lines made of its examples.

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEEPEST = 4; // levels of an answer that are listed; a schema may contain itself

let api;

export function use(document) {
  api = document;
}

// What `$ref` points to, in this document.
export function resolve(part) {
  for (; part?.$ref; ) part = part.$ref.slice(2).split("/").reduce((inner, key) => inner?.[key], api);
  return part ?? {};
}

// The document, call by call

function calls() {
  return Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, ...item[method] })),
  );
}

export function byTag() {
  const groups = new Map(api.tags.map(({ name }) => [name, []]));
  for (const call of calls()) {
    const tag = call.tags?.[0] ?? "Other protocols";
    groups.set(tag, [...(groups.get(tag) ?? []), call]);
  }
  return [...groups].filter(([, group]) => group.length);
}

// Schemas as rows: name, type, what it says

export function typeOf(part) {
  const schema = resolve(part);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return [...new Set(choices.map(typeOf))].join(" or ");
  if (schema.enum) return schema.enum.filter((value) => value !== null).join(", ");
  if (schema.const !== undefined) return String(schema.const);
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  if (schema.format === "binary") return "file";
  const kind = [schema.type].flat().find((name) => name !== "null");
  const type = { object: "object", string: "text", boolean: "true or false" }[kind] ?? kind;
  return type ?? schema.title ?? "any";
}

export function fields(part, prefix = "", depth = 0) {
  const schema = resolve(part);
  if (depth === DEEPEST) return [];
  if (schema.type === "array") return fields(schema.items, `${prefix}[]`, depth);
  const inner = (schema.anyOf ?? schema.oneOf ?? []).flatMap((choice) => fields(choice, prefix, depth + 1));
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const path = prefix ? `${prefix}.${name}` : name;
    const { description = "", minItems, maxItems, minimum } = resolve(property);
    const bounds = maxItems ? `${minItems ?? 0} to ${maxItems} of them.` : minimum ? `From ${minimum} on.` : "";
    const required = schema.required?.includes(name);
    const row = { path, type: typeOf(property), required, says: [description, bounds].filter(Boolean).join(" ") };
    return [row, ...fields(property, path, depth + 1)];
  });
  return [...new Map([...own, ...inner].map((row) => [row.path, row])).values()];
}

// Examples

const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

export function exampleOf({ example, examples } = {}) {
  return example ?? Object.values(examples ?? {})[0]?.value;
}

function addressOf({ path, parameters = [] }) {
  const base = new URL(api.servers[0].url, new URL("docs.json", document.baseURI)).href.replace(/\/$/, "");
  const given = new Map(parameters.map(resolve).map(({ name, example }) => [name, example]));
  return base + path.replace(/{(\w+)}/g, (_, name) => encodeURIComponent(given.get(name) ?? name.toUpperCase()));
}

// The words of a curl command that send a body of this type; null where there is no telling how.
function bodyWords(type, content) {
  if (type === "multipart/form-data") {
    const { properties, required } = resolve(content.schema);
    return required.flatMap((name) =>
      resolve(properties[name]).type === "array"
        ? ["-F", `${name}=@one.jpg`, "-F", `${name}=@two.jpg`]
        : ["-F", `${name}=@picture.jpg`],
    );
  }
  if (type === "image/*") return ["--data-binary", "@picture.jpg", "-H", "Content-Type: image/jpeg"];
  const example = exampleOf(content);
  if (example === undefined) return null;
  return ["-H", `Content-Type: ${type}`, "-d", typeof example === "string" ? example : JSON.stringify(example)];
}

export function curlLines(call) {
  const locked = (call.security ?? api.security ?? []).length > 0;
  const key = locked ? ' -H "Authorization: Bearer $KEY"' : "";
  const line = (words) => `curl${key} ${[...words, addressOf(call)].map(quoted).join(" ")}`;
  const contents = Object.entries(resolve(call.requestBody).content ?? {});
  const bodies = contents.map(([type, content]) => bodyWords(type, content)).filter(Boolean);
  if (bodies.length) return bodies.map(line);
  return [line(call.method === "get" ? [] : ["-X", call.method.toUpperCase()])];
}
