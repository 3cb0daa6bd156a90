// Grids over time: one slider for all runs; each run shows its grid of the nearest step.

const SECONDS_PER_GRID = 0.6;
const SMALL = 420;  // pixels: images of at most this width are scaled without smoothing

function imageSource(id) {
  const bytes = document.getElementById(id)?.textContent ?? '';
  return bytes === '' ? '' : `data:image/png;base64,${bytes}`;
}

function frame(caption, alt) {
  const image = element('img', {alt});
  const text = element('figcaption', {}, caption);
  return {node: element('figure', {class: 'frame'}, text, image), image, text, id: ''};
}

function show(frame, image) {
  if (frame.id === image.id) return;
  frame.id = image.id;
  frame.image.width = image.width;
  frame.image.height = image.height;
  frame.image.classList.toggle('small', image.width <= SMALL);
  frame.image.src = imageSource(image.id);
}

class Grids {
  constructor(data) {
    this.runs = data.runs;
    this.slider = document.getElementById('when');
    this.text = document.getElementById('when-text');
    this.playButton = document.getElementById('play');
    this.steps = [...new Set(this.runs.flatMap((run) => run.grids.fakes.map((p) => p.step)))].sort((a, b) => a - b);
    this.timer = null;
    const reals = new Set(this.runs.map((run) => imageSource(run.grids.reals?.id)));
    this.hasOneReal = this.runs.length > 1 && reals.size === 1;
    this.frames = this.runs.map((run) => this.build(run));
    if (this.hasOneReal) this.buildReal();
    const hasAny = this.frames.some((f) => f !== null);
    document.getElementById('grids').hidden = !hasAny;
    if (!hasAny) return;
    this.slider.max = Math.max(0, this.steps.length - 1);
    document.querySelector('.player').hidden = this.steps.length < 2;
    this.slider.addEventListener('input', () => this.moveTo(Number(this.slider.value)));
    this.playButton.addEventListener('click', () => this.play(this.timer === null));
    this.moveTo(this.steps.length - 1);
  }

  build(run) {
    const {reals, fakes} = run.grids;
    if (reals === null && fakes.length === 0) return null;
    const isAlone = this.runs.length === 1;
    const pair = element('div', {class: isAlone ? 'pair beside' : 'pair'});
    if (!isAlone) {
      const dot = element('span', {class: `dot run-${this.runs.indexOf(run) % RUN_COLORS}`});
      pair.append(element('h3', {}, dot, run.name));
    }
    const made = {fakes: null};
    if (fakes.length > 0) {
      made.fakes = frame('generated', `Generated samples of ${run.name}`);
      pair.append(made.fakes.node);
    }
    if (reals !== null && !this.hasOneReal) {
      const real = frame('real', `Real images of ${run.name}`);
      show(real, reals);
      pair.append(real.node);
    }
    document.getElementById('grid-frames').append(pair);
    return made;
  }

  // Runs on the same data have the same real images, which are shown once.
  buildReal() {
    const {reals} = this.runs[0].grids;
    if (reals === null) return;
    const real = frame('of all runs', 'Real images of the runs');
    show(real, reals);
    const column = element('div', {class: 'pair'}, element('h3', {}, 'Real'), real.node);
    document.getElementById('grid-frames').append(column);
  }

  moveTo(index) {
    if (this.steps.length === 0) return;
    const step = this.steps[index];
    this.slider.value = index;
    this.runs.forEach((run, i) => {
      const target = this.frames[i]?.fakes;
      if (!target) return;
      const image = run.grids.fakes[nearest(run.grids.fakes.map((p) => p.step), step)];
      show(target, image);
      const when = image.step === 0 ? 'before training' : `step ${wholeText(image.step)}`;
      target.text.textContent = `generated, ${when}`;
    });
    const rate = this.runs.length === 1 ? this.runs[0].images_per_step ?? 0 : 0;
    const images = rate > 0 ? `, ${wholeText(step * rate)} images` : '';
    this.text.textContent = `step ${wholeText(step)}${images}`;
    this.slider.setAttribute('aria-valuetext', this.text.textContent);
  }

  // Moves to the grid nearest to `step`.
  choose(step) {
    if (this.steps.length > 0) this.moveTo(nearest(this.steps, step));
  }

  play(isOn) {
    clearInterval(this.timer);
    this.timer = null;
    this.playButton.textContent = isOn ? 'Pause' : 'Play';
    this.playButton.setAttribute('aria-pressed', String(isOn));
    if (!isOn) return;
    if (Number(this.slider.value) === this.steps.length - 1) this.moveTo(0);
    this.timer = setInterval(() => {
      const next = Number(this.slider.value) + 1;
      if (next < this.steps.length) this.moveTo(next);
      else this.play(false);
    }, 1000 * SECONDS_PER_GRID);
  }
}
