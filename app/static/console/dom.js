// Elements and texts. Whatever comes from outside is set as text, never as markup: symbols are hostile strings.

export const byId = (id) => document.getElementById(id);

export function make(tag, content, className) {
  const element = document.createElement(tag);
  if (content !== undefined && content !== null) element.append(content);
  if (className) element.className = className;
  return element;
}

// A selection or a screen reader's place survives where nothing changes.
export function put(element, text) {
  const wanted = text === null || text === undefined ? "" : String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function mark(element, className) {
  if (element.className !== className) element.className = className;
}

// Roles are said because a narrow screen lays tables out as cards, and browsers forget then that they are tables.
export function cell(label, className) {
  const found = make("td", undefined, className);
  found.setAttribute("role", "cell");
  found.dataset.label = label;
  return found;
}

export function row(className) {
  const found = make("tr", undefined, className);
  found.setAttribute("role", "row");
  return found;
}

export function table(labels, rows, caption) {
  const found = make("table", undefined, "cards");
  found.setAttribute("role", "table");
  if (caption) found.append(make("caption", caption));
  const head = row();
  for (const label of labels) {
    const title = make("th", label);
    title.scope = "col";
    title.setAttribute("role", "columnheader");
    head.append(title);
  }
  found.createTHead().append(head);
  const body = found.createTBody();
  for (const values of rows) {
    const line = row();
    values.forEach((value, place) => {
      const field = cell(labels[place]);
      field.append(value === null || value === undefined || value === "" ? "—" : value);
      line.append(field);
    });
    body.append(line);
  }
  return found;
}

export function definitions(pairs) {
  const found = make("dl");
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === "") continue;
    found.append(make("dt", name), make("dd", value));
  }
  return found;
}

export function words(code) {
  return code === null || code === undefined ? "" : String(code).replaceAll("_", " ");
}

export function percent(fraction, digits = 1) {
  return fraction === null || fraction === undefined ? "unknown" : `${(100 * fraction).toFixed(digits)} %`;
}

export function clock(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? "—" : time.toISOString().slice(11, 19);
}

export function moment(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? "—" : `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

// "0:09", "12:30", "3 h 05", "2 d 4 h": rounded down, so that nothing seems to hold longer than it does.
export function left(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (value) => String(value).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))}`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}
