// Requests to the engine: JSON, bytes, and jobs that tell how far they are.

let token = sessionStorage.getItem("scanwise-token") || "";

/** Takes a token out of the address (#token=...), so that it stands in no history, and asks for one where it is missing. */
export async function enter(askFor) {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    keep(given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  const health = await get("/health");
  while (health.token) {
    const response = await fetch("/api/scans", { headers: headers() });
    if (response.status !== 401) break;
    keep(await askFor());
  }
  return health;
}

function keep(value) {
  token = value.trim();
  sessionStorage.setItem("scanwise-token", token);
}

const headers = (more = {}) => (token ? { ...more, authorization: `Bearer ${token}` } : more);

export class Refused extends Error {
  constructor(status, detail, code) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

let reopen = null;

/** What brings a scan back that the service has given up meanwhile. */
export function onClosed(act) {
  reopen = act;
}

async function request(method, path, body, type = "application/json", again = true) {
  const options = { method, headers: headers(body === undefined ? {} : { "content-type": type }), body };
  let response;
  try {
    response = await fetch("/api" + path, options);
  } catch {
    throw new Refused(0, "the service does not answer; is it still running?", "gone");
  }
  if (!response.ok) {
    const told = await response.json().catch(() => ({}));
    if (told.code === "not_open" && reopen && again) {
      await reopen();
      return request(method, path, body, type, false);
    }
    throw new Refused(response.status, told.detail || response.statusText, told.code || "");
  }
  return response;
}

export const get = async (path) => (await request("GET", path)).json();
export const post = async (path, value = {}) => (await request("POST", path, JSON.stringify(value))).json();
export const bytes = async (path) => (await request("GET", path)).arrayBuffer();
export const blob = async (path) => (await request("GET", path)).blob();
export const upload = async (file) =>
  (await request("POST", `/scans?name=${encodeURIComponent(file.name)}`, file, "application/octet-stream")).json();

/** Starts a job and waits for its end, telling of it on the way; gives its result. */
export async function job(path, value, tell) {
  let facts = await post(path, value);
  const cancel = () => request("DELETE", `/jobs/${facts.id}`).catch(() => {});
  tell(facts, cancel);
  const ends = ["done", "failed", "cancelled"];
  const response = await request("GET", `/jobs/${facts.id}/events`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; !ends.includes(facts.state);) {
    const { value: piece, done } = await reader.read();
    if (done) throw new Refused(0, "the service was stopped; ask again when it runs", "gone");
    text += piece;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "));
      if (data) facts = JSON.parse(data.slice(6));
    }
    tell(facts, cancel);
  }
  if (facts.state === "failed") throw new Refused(422, facts.error, "failed");
  if (facts.state === "cancelled") throw new Refused(0, "cancelled", "cancelled");
  return facts;
}

/** Saves what a path gives as a file. */
export async function save(path, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await blob(path));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Masks: one byte a point here, deflated bits in base64 there

export async function pack(mask) {
  const bits = new Uint8Array(Math.ceil(mask.length / 8));
  for (let i = 0; i < mask.length; i++) if (mask[i]) bits[i >> 3] |= 1 << (i & 7);
  const stream = new Blob([bits]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  let text = "";
  for (let i = 0; i < packed.length; i += 0x8000) text += String.fromCharCode(...packed.subarray(i, i + 0x8000));
  return { order: "view", bits: btoa(text) };
}

export async function unpack(text, count) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bits = new Uint8Array(await new Response(stream).arrayBuffer());
  const mask = new Uint8Array(count);
  for (let i = 0; i < count; i++) mask[i] = bits[i >> 3] >> (i & 7) & 1;
  return mask;
}
