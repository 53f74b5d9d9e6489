// Shows openapi.json. All text goes into the page as text, never as markup.
"use strict";

let api;

/** An element with attributes and children; a child that is a string becomes a text node. */
function el(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) element.setAttribute(key, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The two marks that descriptions use: `code` and **strong**. */
function marked(text) {
  return (text ?? "").split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((piece) => {
    if (piece.startsWith("`")) return el("code", null, piece.slice(1, -1));
    if (piece.startsWith("**")) return el("strong", null, piece.slice(2, -2));
    return piece;
  });
}

function paragraphs(text) {
  return (text ?? "").split("\n\n").map((paragraph) => el("p", null, marked(paragraph)));
}

/** What a reference points at, with the reference's own description on top. */
function resolved(node) {
  if (!node?.$ref) return node ?? {};
  const steps = node.$ref.slice(2).split("/");
  const target = steps.reduce((at, step) => at[step.replaceAll("~1", "/").replaceAll("~0", "~")], api);
  return { ...target, ...node, kind: steps.at(-1) };
}

/** A schema in a few words: its type and its limits. */
function shape(node) {
  const schema = resolved(node);
  if (schema.type === "array") return `list of ${shape(schema.items)}${limits(schema)}`;
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" or ");
  return `${schema.format ?? schema.type ?? "any"}${limits(schema)}`;
}

function limits(schema) {
  const range = (low, high, what) => {
    if (low === undefined && high === undefined) return null;
    if (low === high) return `exactly ${low}${what}`;
    if (high === undefined) return `at least ${low}${what}`;
    return low === undefined ? `at most ${high}${what}` : `${low} to ${high}${what}`;
  };
  const said = [
    range(schema.minimum, schema.maximum, ""),
    range(schema.minLength, schema.maxLength, " characters"),
    range(schema.minItems, schema.maxItems, " elements"),
    schema.default === undefined ? null : `default ${JSON.stringify(schema.default)}`,
  ].filter((limit) => limit !== null);
  return said.length ? `, ${said.join(", ")}` : "";
}

function table(heads, rows) {
  const head = el("tr", null, heads.map((text) => el("th", null, text)));
  const body = rows.map((cells) => el("tr", null, cells.map((cell) => el("td", null, cell))));
  return el("table", null, el("thead", null, head), el("tbody", null, body));
}

function named(name, required) {
  return [el("code", null, name), required ? "" : el("span", { class: "quiet" }, " optional")];
}

/** What a reference says itself, and then what it points at says. */
function about(node) {
  const general = node.$ref ? resolved({ $ref: node.$ref }).description : null;
  const said = [node.description, general].filter((text) => text);
  return [...new Set(said)].map((text) => el("p", null, marked(text)));
}

/** The members of an object, those of objects inside it included. */
function members(node, prefix = "") {
  const schema = resolved(node);
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const inner = resolved(member);
    const list = inner.type === "array";
    const path = `${prefix}${name}${list ? "[]" : ""}`;
    const required = (schema.required ?? []).includes(name);
    const row = [named(path, required), shape(member), about(member)];
    return [row, ...members(list ? inner.items : member, `${path}.`)];
  });
}

function json(value) {
  return el("pre", null, JSON.stringify(value, null, 2));
}

/** A body: its members and an example. */
function content(contents) {
  return Object.entries(contents ?? {}).map(([type, media]) => [
    el("p", { class: "quiet" }, type),
    table(["Member", "Type", "Meaning"], members(media.schema)),
    media.example === undefined ? null : json(media.example),
  ]).flat();
}

function parameters(operation) {
  const rows = (operation.parameters ?? []).map((parameter) => {
    const inJson = parameter.content?.["application/json"];
    const type = inJson ? `${shape(inJson.schema)}, as JSON` : shape(parameter.schema);
    const meaning = [...paragraphs(parameter.description), ...about(inJson?.schema ?? {})];
    return [named(parameter.name, parameter.required), parameter.in, type, meaning];
  });
  return rows.length ? [el("h4", null, "Parameters"), table(["Name", "In", "Type", "Meaning"], rows)] : [];
}

function headers(response) {
  const rows = Object.entries(response.headers ?? {}).map(([name, header]) => [
    el("code", null, name), shape(header.schema), marked(header.description),
  ]);
  return rows.length ? table(["Header", "Type", "Meaning"], rows) : null;
}

function answer(status, response) {
  const title = el("h4", null, `Answer ${status}`);
  return [title, el("p", null, marked(response.description)), headers(response), ...content(response.content)];
}

/** One row for each code that a refusal can have. */
function refusals(operation) {
  const rows = Object.entries(operation.responses).filter(([status]) => !status.startsWith("2"))
    .flatMap(([, reference]) => {
      const problems = resolved(reference).content?.["application/problem+json"]?.examples ?? {};
      return Object.entries(problems).map(([code, example]) => {
        const { value } = resolved(example);
        const document = el("details", null, el("summary", null, value.detail), json(value));
        return [String(value.status), el("code", null, code), document];
      });
    })
    .sort(([one], [other]) => one - other);
  return [el("h4", null, "Refusals"), table(["Status", "Code", "Detail"], rows)];
}

function route(path, method, operation) {
  const line = [
    el("span", { class: `method ${method}` }, method.toUpperCase()),
    " ", el("code", null, path), ` ${operation.summary}`,
  ];
  const wants = operation.security?.length ? "Needs a bearer token." : "Needs no token.";
  const body = resolved(operation.requestBody);
  const title = body.required ? "Body" : "Body (may be missing)";
  const answers = Object.entries(operation.responses).filter(([status]) => status.startsWith("2"));
  return el("details", { class: "route", id: operation.operationId },
    el("summary", null, line),
    paragraphs(operation.description),
    el("p", { class: "quiet" }, wants),
    parameters(operation),
    operation.requestBody ? [el("h4", null, title), ...content(body.content)] : [],
    answers.flatMap(([status, response]) => answer(status, resolved(response))),
    refusals(operation));
}

function chapter(tag) {
  const methods = ["get", "post", "put", "patch", "delete"];
  const routes = Object.entries(api.paths).flatMap(([path, item]) => methods
    .filter((method) => item[method]?.tags.includes(tag.name))
    .map((method) => route(path, method, item[method])));
  return [el("h2", null, tag.name), ...paragraphs(tag.description), ...routes];
}

async function show() {
  const page = document.getElementById("page");
  try {
    const response = await fetch("../openapi.json");
    if (!response.ok) throw new Error(`status ${response.status}`);
    api = await response.json();
  } catch (error) {
    page.replaceChildren(el("p", null, `The description could not be loaded: ${error.message}`));
    return;
  }
  const version = el("small", null, `${api.info.version} · OpenAPI ${api.openapi} · `,
    el("a", { href: "../openapi.json" }, "openapi.json"));
  page.replaceChildren(
    el("h1", null, `${api.info.title} `, version),
    ...paragraphs(api.info.description),
    ...api.tags.flatMap(chapter));
  // An address with a route's name in it opens that route.
  const wanted = document.getElementById(location.hash.slice(1));
  if (wanted instanceof HTMLDetailsElement) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
}

show();
