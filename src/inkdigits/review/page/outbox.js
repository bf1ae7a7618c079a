// What was decided goes out one after the other, each again and again until it is kept.
import { newName, post } from "./ask.js";

const RETRY_MILLISECONDS = 1000;
const waiting = [];
let sending = false;

/**
 * Send something in its turn, under an id of its own, which is returned.
 * `heard` is called once it is kept, with null, or refused for good, with an Error.
 */
export function send(path, body, heard) {
  const id = newName();
  waiting.push({ path, body: { id, ...body }, heard });
  if (!sending) work();
  return id;
}

/** How many are not kept yet. */
export const unsent = () => waiting.length;

let tell = () => {};

/** Call `listener` with why nothing can be kept just now, and with "" when it can be again. */
export function onTrouble(listener) {
  tell = listener;
}

async function work() {
  sending = true;
  while (waiting.length) {
    const { path, body, heard } = waiting[0];
    try {
      await post(path, body);
      waiting.shift();
      tell("");
      heard(null);
    } catch (error) {
      if (error.status >= 400 && error.status < 500) {
        waiting.shift();
        heard(error);
      } else {
        tell(error.status ? error.message : "The service does not answer. Is it still running?");
        await new Promise((resolve) => { setTimeout(resolve, RETRY_MILLISECONDS); });
      }
    }
  }
  sending = false;
}

addEventListener("beforeunload", (event) => {
  if (waiting.length) event.preventDefault();
});
