// Panels of a page: one plot, or one plot per run side by side with equal axes.

const RUN_COLORS = 24;  // the second half dashed
const LABEL_COLORS = 6;
const HEIGHT = {narrow: 210, wide: 260};

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Traces of each plot, with their styles.
function facetsOf(panel, runs) {
  const styled = panel.traces.map((trace) => ({...trace, style: styleOf(trace, panel)}));
  if (!panel.facets) {
    const hasOneKey = new Set(panel.traces.map((t) => t.label)).size === 1;
    for (const trace of styled) if (hasOneKey && runs.length > 1) trace.label = runs[trace.run].name;
    return [{run: null, traces: styled}];
  }
  const facets = runs.map((_, run) => ({run, traces: styled.filter((trace) => trace.run === run)}));
  return facets.filter((facet) => facet.traces.length > 0);
}

function styleOf(trace, panel) {
  if (['real', 'fake', 'margin', 'floor'].includes(trace.role)) return trace.role;
  if (panel.traces.every((other) => other.label === trace.label)) return `run-${trace.run % RUN_COLORS}`;
  const labels = [...new Set(panel.traces.map((other) => other.label))];
  // Different colors from those of the first runs.
  return {D: 'run-3', G: 'run-2'}[trace.role] ?? `run-${(labels.indexOf(trace.label) + 2) % LABEL_COLORS}`;
}

// `page`: {data, axis: 'steps' or 'images', smoothing, cursor (in steps of run 0's axis unit), move}.
class Panel {
  constructor(page, panel) {
    this.page = page;
    this.panel = panel;
    this.facets = facetsOf(panel, page.data.runs);
    const values = panel.traces.map((trace) => trace.mean);
    const positive = extent(values, true);
    const all = extent(values, false);
    const canBeLog = all !== null && all[0] > 0 && all[1] > all[0];
    this.isLog = canBeLog && panel.section === 'Energy' && positive[1] / positive[0] > 50;
    this.ownScale = panel.own_scale;
    this.node = this.build(canBeLog);
  }

  build(canBeLog) {
    const {panel} = this;
    const title = element('h3', {}, panel.title);
    if (panel.unit) title.append(element('span', {class: 'unit'}, ` ${panel.unit}`));
    const switches = element('span', {class: 'switches'});
    if (this.facets.length > 1) switches.append(this.toggle('own scales', 'ownScale'));
    if (canBeLog) switches.append(this.toggle('log', 'isLog'));
    const isWide = this.facets.length > 1 || panel === this.page.data.panels[0];
    const caption = element('figcaption', {}, title, switches);
    const figure = element('figure', {class: isWide ? 'panel wide-panel' : 'panel'}, caption);
    if (panel.note) figure.append(element('p', {class: 'note'}, panel.note));
    if (panel.own_scale && panel === this.page.data.panels[0]) {
      const text = 'The energies of these runs have different units, so each plot has its own scale.';
      figure.append(element('p', {class: 'note'}, text));
    }
    const facets = element('div', {class: 'facets'});
    for (const facet of this.facets) facets.append(this.buildFacet(facet));
    figure.append(facets);
    return figure;
  }

  toggle(text, name) {
    const button = element('button', {type: 'button', 'aria-pressed': String(this[name])}, text);
    button.addEventListener('click', () => {
      this[name] = !this[name];
      button.setAttribute('aria-pressed', String(this[name]));
      this.draw();
    });
    return button;
  }

  buildFacet(facet) {
    const {page, panel} = this;
    facet.plot = svg('svg', {class: 'plot', tabindex: 0, role: 'img', 'aria-label': this.describe(facet)});
    facet.plot.addEventListener('pointermove', (event) => page.move(this.pointed(facet, event)));
    facet.plot.addEventListener('pointerleave', () => page.move(null));
    facet.plot.addEventListener('click', (event) => page.choose(this.pointed(facet, event)));
    facet.plot.addEventListener('keydown', (event) => this.key(facet, event));
    facet.legend = element('ul', {class: 'legend'});
    facet.values = facet.traces.map((trace) => {
      const value = element('span', {class: 'value'});
      facet.legend.append(element('li', {}, element('span', {class: trace.style}, element('span', {class: 'key'})),
        element('span', {class: 'name'}, trace.label), ' ', value));
      return value;
    });
    const node = element('div', {class: 'facet'});
    if (facet.run !== null) {
      const dot = element('span', {class: `dot run-${facet.run % RUN_COLORS}`});
      node.append(element('h3', {}, dot, page.data.runs[facet.run].name));
    }
    node.append(facet.legend, facet.plot);
    return node;
  }

  describe(facet) {
    const last = facet.traces.map((t) => `${t.label} ${numberText(t.mean.findLast((v) => v !== null) ?? null)}`);
    const name = facet.run === null ? '' : `${this.page.data.runs[facet.run].name}: `;
    return `${name}${this.panel.title}. At the end: ${last.join(', ')}. Arrow keys move the cursor.`;
  }

  // `steps`, as images if the axis shows images.
  count(run, steps) {
    const rate = this.page.data.runs[run].images_per_step ?? 0;
    return this.page.axis === 'images' ? steps.map((step) => step * rate) : steps;
  }

  prepared(trace) {
    const axes = this.page.data.axes;
    return {
      ...trace,
      xs: this.count(trace.run, axes[trace.axis]),
      // A margin is set, not measured.
      smoothed: trace.role === 'margin' ? trace.mean : smooth(trace.mean, this.page.smoothing),
      bands: trace.bands.map((band) => ({...band, xs: this.count(trace.run, axes[band.axis])})),
    };
  }

  // Range of the value axis for the curves and bands.
  range(facets) {
    const traces = facets.flatMap((facet) => facet.shown);
    const bands = traces.flatMap((trace) => trace.bands);
    const lists = [...traces.map((t) => t.mean), ...bands.map((b) => b.low), ...bands.map((b) => b.high)];
    if (this.panel.reference !== null) lists.push([this.panel.reference]);
    const found = extent(lists, this.isLog) ?? [0, 1];
    const pad = (found[1] - found[0]) * 0.04;
    if (this.isLog) return found;
    return [found[0] >= 0 && found[0] < pad * 10 ? 0 : found[0] - pad, found[1] + pad];
  }

  draw() {
    for (const facet of this.facets) facet.shown = facet.traces.map((trace) => this.prepared(trace));
    const common = this.range(this.facets);
    for (const facet of this.facets) {
      const width = facet.plot.clientWidth;
      if (width === 0) continue;
      const marks = this.panel.marks.filter((mark) => facet.run === null || mark.run === facet.run)
        .map((mark) => ({...mark, x: this.count(mark.run, [mark.step])[0]}));
      facet.drawn = drawPlot(facet.plot, facet.shown, marks, {
        width,
        height: this.node.classList.contains('wide-panel') ? HEIGHT.wide : HEIGHT.narrow,
        x: this.page.domain(),
        y: this.ownScale ? this.range([facet]) : common,
        isLog: this.isLog,
        reference: this.panel.reference,
      });
    }
    this.drawCursor();
  }

  drawCursor() {
    const {cursor, axis} = this.page;
    for (const facet of this.facets) {
      if (!facet.drawn) continue;
      drawCursor(facet.plot, facet.drawn, cursor, `${axis === 'steps' ? 'step' : 'image'} ${wholeText(cursor ?? 0)}`);
      facet.shown.forEach((trace, i) => facet.values[i].replaceChildren(...this.valueText(trace, cursor)));
    }
  }

  valueText(trace, cursor) {
    const i = cursor === null ? trace.xs.length - 1 : nearest(trace.xs, cursor);
    if (cursor !== null && (cursor > trace.xs.at(-1) * 1.02 || i < 0)) return ['–'];
    const parts = [numberText(trace.smoothed[i])];
    const band = trace.bands[0];
    if (band && cursor !== null) {
      const j = nearest(band.xs, cursor);
      parts.push(element('span', {class: 'spread'}, ` (${numberText(band.low[j])} – ${numberText(band.high[j])})`));
    }
    return parts;
  }

  pointed(facet, event) {
    if (!facet.drawn) return null;
    const box = facet.plot.getBoundingClientRect();
    const scale = facet.plot.viewBox.baseVal.width / box.width;
    const at = facet.drawn.x.value((event.clientX - box.left) * scale);
    return Math.min(Math.max(at, facet.drawn.x.low), facet.drawn.x.high);
  }

  key(facet, event) {
    const {page} = this;
    const steps = {ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10}[event.key];
    if (event.key === 'Escape') page.move(null);
    if (event.key === 'Enter' && page.cursor !== null) page.choose(page.cursor);
    if (steps === undefined || !facet.drawn) return;
    event.preventDefault();
    const {low, high} = facet.drawn.x;
    const from = page.cursor ?? (steps > 0 ? low : high);
    page.move(Math.min(high, Math.max(low, from + steps * (high - low) / 100)));
    const value = (trace) => numberText(trace.smoothed[nearest(trace.xs, page.cursor)]);
    const values = facet.shown.map((trace) => `${trace.label} ${value(trace)}`);
    document.getElementById('spoken').textContent = `${page.axis} ${wholeText(page.cursor)}: ${values.join(', ')}`;
  }
}
