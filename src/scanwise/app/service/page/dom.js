// Small helpers for the page.

export const $ = (id) => document.getElementById(id);
export const all = (query, within = document) => [...within.querySelectorAll(query)];

export function element(tag, parent, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent?.append(made);
  return made;
}

export const number = (value) => Number(value).toLocaleString("en");
export const lengths = (size, unit) => `${size.map((v) => v.toFixed(2)).join(" × ")} ${unit}`;
export const many = (count, what) => `${number(count)} ${what}${count === 1 ? "" : "s"}`;

/** One line at the foot of the panel; a click takes it away. */
export function say(text, bad = false) {
  const line = $("message");
  line.hidden = !text;
  line.textContent = text;
  line.classList.toggle("bad", bad);
  line.onclick = () => say("");
}

/** Runs what a button starts: errors are said, and nothing is thrown. */
export async function trying(work) {
  try {
    return await work();
  } catch (error) {
    if (error.code !== "cancelled") {
      say(error.message, true);
      if (!error.status && !error.code) console.error(error);
    }
    return undefined;
  }
}

/** What a job does just now, with a bar and a way to take it back. */
export function tellJob(facts, cancel) {
  const box = $("job"), [bar, text, button] = box.children;
  const going = ["waiting", "running"].includes(facts.state);
  box.hidden = !going;
  if (!going) {
    if (facts.notes?.length) say(facts.notes.join("; "));
    return;
  }
  if (facts.state === "waiting" || !facts.done) bar.removeAttribute("value");
  else bar.value = facts.done;
  text.textContent = facts.state === "waiting" ? `waiting, ${many(facts.before, "job")} before it` : `${facts.kind}: ${facts.stage}`;
  button.onclick = cancel;
}
