// @ts-check
// Changes a page by values: trees of names, attributes and texts, of which elements are made one by one.
// What is focused, selected or under the pointer's button is left alone until it no longer is.

/** @typedef {[string, Record<string, string>, (string | Tree)[]]} Tree */
/** @typedef {{rows?: Record<string, Tree>, order?: string[]}} Change */
/** @typedef {Record<string, Change>} Changes */

const SVG = "http://www.w3.org/2000/svg";
const CAMEL = { viewbox: "viewBox", preserveaspectratio: "preserveAspectRatio" };
const NEVER = new Set(["script", "iframe", "object", "embed", "style", "link", "meta", "base", "frame"]);
const ADDRESSES = new Set(["href", "action", "src", "formaction"]);

/** @param {string} name @param {string} value */
function isSafe(name, value) {
  if (name.startsWith("on") || name === "style" || name === "srcdoc") return false;
  return !ADDRESSES.has(name) || value.startsWith("/") || value.startsWith("#");
}

/** How an attribute is spelt that came in lower case. @param {string} key @param {boolean} svg @returns {string} */
const real = (key, svg) => (svg && CAMEL[/** @type {keyof typeof CAMEL} */ (key)]) || key;

/** Make an element of a tree. @param {Tree} tree @param {boolean} inSvg @returns {Element} */
export function build(tree, inSvg = false) {
  const [name, attributes, children] = tree;
  if (NEVER.has(name)) throw new Error(`a live page has no ${name}`);
  const svg = inSvg || name === "svg";
  const made = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (isSafe(key, value)) made.setAttribute(real(key, svg), value);
  }
  for (const child of children) {
    made.append(typeof child === "string" ? child : build(child, svg));
  }
  return made;
}

/** Make *node* what *tree* says, and touch only what differs. @param {Element} node @param {Tree} tree */
export function morph(node, tree) {
  const [name, attributes, children] = tree;
  if (node.localName !== name) {
    node.replaceWith(build(tree, node instanceof SVGElement));
    return;
  }
  setAttributes(node, attributes);
  if (name === "time" || (name === "textarea" && node === document.activeElement)) return;
  setChildren(node, children);
}

/** @param {Element} node @param {Record<string, string>} attributes */
function setAttributes(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    const spelt = real(key, node instanceof SVGElement);
    if (isSafe(key, value) && node.getAttribute(spelt) !== value) node.setAttribute(spelt, value);
  }
  for (const { name } of [...node.attributes]) {
    const isUsers = name === "open" || name === "title" && node.localName === "time";
    if (!(name.toLowerCase() in attributes) && !isUsers && !name.startsWith("data-js")) node.removeAttribute(name);
  }
}

/** @param {Element} node @param {(string | Tree)[]} children */
function setChildren(node, children) {
  const present = [...node.childNodes].filter((each) => !isBlank(each) && !isOurs(each));
  children.forEach((child, at) => {
    const old = present[at];
    if (old === undefined) {
      node.append(typeof child === "string" ? child : build(child, node instanceof SVGElement));
    } else if (typeof child === "string") {
      if (old.nodeType !== Node.TEXT_NODE) old.replaceWith(child);
      else if (squeezed(old.textContent ?? "") !== squeezed(child)) old.textContent = child;
    } else if (old instanceof Element) {
      morph(old, child);
    } else {
      old.replaceWith(build(child, node instanceof SVGElement));
    }
  });
  for (const rest of present.slice(children.length)) rest.remove();
}

/** @param {Node} node */
const isBlank = (node) => node.nodeType === Node.COMMENT_NODE
  || (node.nodeType === Node.TEXT_NODE && !(node.textContent ?? "").trim());

/** What another module has put there. @param {Node} node */
const isOurs = (node) => node instanceof HTMLElement && "js" in node.dataset;

/** @param {string} text */
const squeezed = (text) => text.split(/\s+/u).join(" ").trim();

/** @param {Element} row */
function isHeld(row) {
  const selection = document.getSelection();
  const selects = selection !== null && !selection.isCollapsed && selection.containsNode(row, true);
  return selects || row.contains(document.activeElement) || row.querySelector(".button:hover, a:hover") !== null;
}

/** The rows of a region by their keys. @param {Element} region @returns {Map<string, Element>} */
function rowsOf(region) {
  const rows = new Map();
  [...region.children].forEach((row, at) => rows.set(row.getAttribute("data-k") || `#${at}`, row));
  return rows;
}

/**
 * Bring *changes* into the page; return those that have to wait.
 * @param {Changes} changes @returns {Changes}
 */
export function apply(changes) {
  /** @type {Changes} */
  const waiting = {};
  for (const [name, change] of Object.entries(changes)) {
    const region = document.querySelector(`[data-live="${CSS.escape(name)}"]`);
    if (region === null) continue;
    const left = applyTo(region, change);
    if (left.rows || left.order) waiting[name] = left;
  }
  return waiting;
}

/** @param {Element} region @param {Change} change @returns {Change} */
function applyTo(region, change) {
  /** @type {Change} */
  const left = {};
  const rows = rowsOf(region);
  const isFrozen = change.order !== undefined && isHeld(region);
  for (const [key, tree] of Object.entries(change.rows ?? {})) {
    const row = rows.get(key);
    if (row === undefined ? isFrozen : isHeld(row)) (left.rows ??= {})[key] = tree;
    else if (row !== undefined) morph(row, tree);
  }
  if (change.order === undefined) return left;
  if (isFrozen) {
    left.order = change.order;
    return left;
  }
  arrange(region, change.order, rowsOf(region), change.rows ?? {});
  return left;
}

/** @param {Element} region @param {string[]} order @param {Map<string, Element>} rows @param {Record<string, Tree>} made */
function arrange(region, order, rows, made) {
  const wanted = new Set(order);
  for (const [key, row] of rows) if (!wanted.has(key)) row.remove();
  let before = region.firstElementChild;
  for (const key of order) {
    const row = rows.get(key) ?? (made[key] && build(made[key], region instanceof SVGElement));
    if (!row) continue;
    if (row === before) before = before.nextElementSibling;
    else region.insertBefore(row, before);
  }
  const table = region.closest("table");
  if (table === null) return;
  table.hidden = order.length === 0;
  const empty = table.closest(".scroll")?.previousElementSibling;
  if (empty instanceof HTMLElement && empty.matches(".empty")) empty.hidden = order.length > 0;
}

/** Put later changes over earlier ones. @param {Changes} first @param {Changes} second @returns {Changes} */
export function merged(first, second) {
  const all = { ...first };
  for (const [name, change] of Object.entries(second)) {
    const before = all[name];
    all[name] = before === undefined ? change
      : { rows: { ...before.rows, ...change.rows }, order: change.order ?? before.order };
    if (all[name].order === undefined) delete all[name].order;
  }
  return all;
}
