"use strict";
// The script of the pages of helpers/page.py: one sound at a time, and a bar that plays all clips at a common position.
// The page's content security policy allows no other script. Without it, the players of the page still work.
(() => {
  const FADE = 0.015; // s from one clip to the next; a shorter crossfade would click
  const AHEAD = 0.02; // s from scheduling a sound to its start, so that it starts on time
  const players = [...document.querySelectorAll("audio")];
  const plots = [...document.querySelectorAll(".plot[data-seconds]")];
  const bar = document.getElementById("compare");

  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  // Show a line in every picture, at the present position.
  const point = (seconds) => {
    for (const plot of plots) {
      const share = seconds / Number(plot.dataset.seconds);
      const cursor = plot.querySelector(".cursor");
      cursor.hidden = !(share > 0 && share <= 1);
      cursor.style.left = `${100 * share}%`;
    }
  };

  let deck = null;
  for (const player of players) {
    player.addEventListener("play", () => {
      deck?.pause();
      for (const other of players) if (other !== player) other.pause();
    });
    player.addEventListener("timeupdate", () => {
      if (!player.paused || player.seeking) point(player.currentTime);
    });
  }
  if (!bar) return;

  deck = (() => {
    const buttons = [...bar.querySelectorAll("[data-clip]")];
    const [toggle, slider, time, name] = ["toggle", "position", "time", "name"].map((id) => document.getElementById(id));
    const seconds = buttons.map((button) => Number(button.dataset.seconds));
    const longest = Math.max(...seconds);
    const decoded = new Map(); // index of a clip -> promise of its samples
    let context = null;
    let voice = null; // the playing sound: a source, its gain, and when its clip would have begun
    let current = 0;
    let position = 0; // s, while nothing plays
    let frame = 0; // id of the next animation frame
    let wanted = 0; // counts requests: only the latest one may start to play

    const samples = (index) => {
      if (!decoded.has(index)) {
        const text = atob(players[index].src.split(",")[1]);
        decoded.set(index, context.decodeAudioData(Uint8Array.from(text, (letter) => letter.charCodeAt(0)).buffer));
      }
      return decoded.get(index);
    };
    const now = () => (voice ? Math.max(0, context.currentTime - voice.began) : position);

    const silence = (at) => {
      if (!voice) return;
      const { source, gain } = voice;
      source.onended = null;
      gain.gain.setValueAtTime(1, at);
      gain.gain.linearRampToValueAtTime(0, at + FADE);
      source.stop(at + FADE);
      voice = null;
    };

    const show = () => {
      toggle.setAttribute("aria-label", voice ? "Pause" : "Play");
      toggle.classList.toggle("playing", Boolean(voice));
      buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === current)));
      name.textContent = buttons[current].title;
    };
    const follow = () => {
      const at = Math.min(now(), longest);
      if (document.activeElement !== slider || voice) slider.value = at;
      slider.setAttribute("aria-valuetext", `${clock(at)} of ${clock(longest)}`);
      time.textContent = `${clock(at)} / ${clock(longest)}`;
      point(at);
      cancelAnimationFrame(frame);
      if (voice) frame = requestAnimationFrame(follow);
    };

    const pause = () => {
      wanted += 1;
      position = now();
      if (voice) silence(context.currentTime);
      show();
    };

    // Play the current clip from second `from`, or by default from the present position.
    const play = async (from = null) => {
      const mine = (wanted += 1);
      for (const player of players) player.pause();
      context ??= new AudioContext();
      try {
        await context.resume();
        const buffer = await samples(current);
        if (mine !== wanted) return;
        const at = context.currentTime + AHEAD;
        let offset = from ?? (voice ? at - voice.began : position);
        if (offset >= buffer.duration) offset = 0;
        silence(at);
        const source = new AudioBufferSourceNode(context, { buffer });
        const gain = new GainNode(context, { gain: 0 });
        source.connect(gain).connect(context.destination);
        gain.gain.setValueAtTime(0, at);
        gain.gain.linearRampToValueAtTime(1, at + FADE);
        source.start(at, offset);
        voice = { source, gain, began: at - offset };
        source.onended = () => {
          voice = null;
          position = 0;
          show();
        };
        show();
        follow();
        buttons.forEach((_, index) => samples(index).catch(() => {})); // so that the next switch is immediate
      } catch (error) {
        name.textContent = `This browser cannot play the clip here (${error.message}). Use its player further up.`;
      }
    };

    const choose = (index, from = null) => {
      current = index;
      show();
      if (voice || from !== null) play(from);
    };

    toggle.addEventListener("click", () => (voice ? pause() : play()));
    slider.addEventListener("input", () => {
      position = Number(slider.value);
      if (voice) play(position);
      else follow();
    });
    buttons.forEach((button, index) => button.addEventListener("click", () => choose(index)));
    for (const plot of plots) {
      plot.addEventListener("click", (event) => {
        const box = plot.getBoundingClientRect();
        const at = ((event.clientX - box.left) / box.width) * Number(plot.dataset.seconds);
        const index = buttons.findIndex((button) => button.dataset.clip === plot.dataset.clip);
        choose(index < 0 ? current : index, Math.max(0, at));
      });
    }
    slider.max = longest;
    for (const part of document.querySelectorAll("[data-scripted]")) part.hidden = false;
    show();
    follow();
    return { pause };
  })();
})();
