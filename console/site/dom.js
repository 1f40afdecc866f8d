// Elements are built from text nodes only: data never becomes markup.

const SVG = 'http://www.w3.org/2000/svg';

// fill sets attributes and properties, then appends what is not null.
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// el makes an HTML element; a function under "onclick" becomes a listener.
export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

// svg makes an SVG element.
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const byId = (id) => document.getElementById(id);

// say changes text only when it differs, so that selections and screen readers
// are left alone.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
