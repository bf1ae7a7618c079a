// What an ONNX file says about itself: its metadata_props, which the runtime does not show.
const METADATA_PROPS = 14;
const PREFIX = "inkdigits.";

/** The metadata of an artefact's bytes, each value as artefact/metadata.py wrote it. */
export function metadataOf(bytes) {
  const found = {};
  for (const [field, content] of fieldsOf(bytes)) {
    if (field !== METADATA_PROPS) continue;
    const [key, text] = [...fieldsOf(content)].map(([, part]) => new TextDecoder().decode(part));
    if (key.startsWith(PREFIX)) found[key.slice(PREFIX.length)] = JSON.parse(text);
  }
  return found;
}

/** The fields of a protocol buffer that have a length, as [number, bytes]. */
function* fieldsOf(bytes) {
  let place = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[place];
      place += 1;
      value += (byte & 127) * factor;
      if (!(byte & 128)) return value;
    }
  };
  while (place < bytes.length) {
    const tag = varint();
    const kind = tag & 7;
    if (kind === 0) varint();
    else if (kind === 1) place += 8;
    else if (kind === 5) place += 4;
    else {
      const length = varint();
      yield [tag >> 3, bytes.subarray(place, place + length)];
      place += length;
    }
  }
}
