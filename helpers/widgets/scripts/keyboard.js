// The keyboard of a notebook: keys.js, with notes that arrive one by one. Sends {hello: true} to ask for the present
// notes, and {played: key}. Receives {begin, keep}: the notes of another instrument will follow, and the old ones
// remain playable until then if `keep` is true; and {zone, turn} with a FLAC file.
const ELSEWHERE = "“Save as a page” makes a page of this instrument where MIDI works.";

function render({ model, el }) {
  const context = new AudioContext({ latencyHint: "interactive" });
  const sampler = makeSampler(context);
  const played = (key) => model.send({ played: key });
  const keys = makeKeys(el, { context, sampler, played, elsewhere: ELSEWHERE });
  let turn = 0;

  const arrived = async (message, buffers) => {
    if (message.begin !== undefined) {
      turn = message.begin;
      if (message.keep) sampler.age();
      else sampler.clear();
    } else if (message.zone && message.turn === turn) {
      const { buffer, byteOffset, byteLength } = buffers[0];
      const wave = await context.decodeAudioData(buffer.slice(byteOffset, byteOffset + byteLength));
      if (message.turn === turn) sampler.add({ ...message.zone, buffer: wave });
    }
    keys.show();
  };
  model.on("msg:custom", arrived);
  model.send({ hello: true });
  return () => {
    model.off("msg:custom", arrived);
    keys.dispose();
    context.close();
  };
}
export default { render };
