// The reader behind HTTP: the service that this page comes from.
import { at, element } from "./dom.js";

const ASCII = /^[\x20-\x7e]*$/;
const KNOWN = ["layout", "length", "max", "pattern", "checksum", "target_error"];
export const known = KNOWN.map(at);

export const service = { ask, see };

/** Read an image; the answer is the JSON of /v1/read, also for a file that is no image. */
async function ask(blob, name) {
  const response = await post("v1/read", blob, { top: "10", name });
  const answer = await response.json();
  if (answer.error?.message) throw refused(answer.error);
  return answer;
}

/** The picture of every stage from the image to the text, as an element. */
async function see(blob) {
  const response = await post("v1/inspect", blob, { name: "image" });
  if (!response.ok) throw refused((await response.json()).error);
  const picture = element("img");
  picture.alt = "Every stage from the image to the text";
  picture.src = URL.createObjectURL(await response.blob());
  picture.addEventListener("load", () => URL.revokeObjectURL(picture.src), { once: true });
  return picture;
}

async function post(path, blob, more) {
  const query = new URLSearchParams(more);
  for (const field of known) if (field.value) query.set(field.id, field.value);
  const headers = { "Content-Type": blob.type || "application/octet-stream" };
  if (!ASCII.test(at("key").value)) throw new Error("A key has no such letters.");
  if (at("key").value) headers.Authorization = `Bearer ${at("key").value}`;
  try {
    return await fetch(`${path}?${query}`, { method: "POST", body: blob, headers });
  } catch {
    throw new Error("The service does not answer. Is it still running?");
  }
}

function refused({ status, message, hint }) {
  if (status !== 401) return new Error(`${message} ${hint}`);
  at("key-field").hidden = false;
  return new Error(`${message} Type it into the field below.`);
}
