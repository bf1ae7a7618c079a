// The camera: seen in a dialog where the browser lets the page, else by the system's own means.
import { at } from "./dom.js";

/** Call `take` with each picture that was taken, as a File. */
export function startCamera(take) {
  const dialog = at("camera-dialog");
  at("camera").addEventListener("click", open);
  at("shoot").addEventListener("click", shoot);
  at("video").addEventListener("loadeddata", () => (at("shoot").disabled = false));
  at("close-camera").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", stop);
  at("capture").addEventListener("change", () => take([...at("capture").files]));

  async function shoot() {
    const video = at("video");
    const still = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    still.getContext("2d").drawImage(video, 0, 0);
    const blob = await still.convertToBlob({ type: "image/png" });
    dialog.close();
    take([new File([blob], "camera.png", { type: blob.type })]);
  }
}

async function open() {
  // A phone's own camera focuses and lights better than a page can.
  if (matchMedia("(pointer: coarse)").matches) return at("capture").click();
  try {
    const wanted = { video: { facingMode: "environment", width: { ideal: 1920 } } };
    at("video").srcObject = await navigator.mediaDevices.getUserMedia(wanted);
  } catch {
    return at("capture").click();
  }
  return at("camera-dialog").showModal();
}

function stop() {
  const stream = at("video").srcObject;
  for (const track of stream?.getTracks() ?? []) track.stop();
  at("video").srcObject = null;
  at("shoot").disabled = true;
}
