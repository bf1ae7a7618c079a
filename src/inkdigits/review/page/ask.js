// What the service is asked, as JSON; an Error tells what it refuses.

/** A name that nobody else has. */
export const newName = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};

let table = null; // what this page is of: another one may come to be served at the same address

export async function post(path, body) {
  const answer = await answered(await fetch(`v1/${path}`, {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, table }),
  }));
  table ??= answer.table ?? null;
  return answer;
}

export async function get(path) {
  return answered(await fetch(`v1/${path}`));
}

/** The picture at a path, null where there is none. */
export async function getPicture(path) {
  const response = await fetch(`v1/${path}`);
  return response.ok ? createImageBitmap(await response.blob()) : null;
}

async function answered(response) {
  const answer = await response.json();
  if (response.ok) return answer;
  const { message, hint } = answer.error;
  throw Object.assign(new Error(`${message} ${hint}`), { status: response.status });
}
