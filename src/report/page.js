// Builds the page from its data: sections of panels with a common cursor and axis.

class Page {
  constructor(data) {
    this.data = data;
    this.axis = 'steps';
    this.smoothing = 0;
    this.cursor = null;
    this.grids = new Grids(data);
    this.panels = data.panels.map((panel) => new Panel(this, panel));
    this.place();
    this.control();
    this.draw();
  }

  place() {
    const plots = document.getElementById('plots');
    const links = document.getElementById('plot-links');
    const sections = new Map();
    for (const panel of this.panels) {
      const name = panel.panel.section;
      if (!sections.has(name)) {
        const id = `plots-${sections.size}`;
        const inner = element('div', {class: 'panels'});
        sections.set(name, inner);
        plots.append(element('section', {id, 'aria-label': name}, element('h2', {}, name), inner));
        links.append(element('a', {href: `#${id}`}, name));
      }
      sections.get(name).append(panel.node);
    }
    for (const link of document.querySelectorAll('.bar nav a')) {
      const target = document.getElementById(link.getAttribute('href').slice(1));
      link.hidden = target === null || target.hidden;
    }
  }

  control() {
    document.querySelector('.controls').hidden = false;
    document.querySelector('.controls').addEventListener('submit', (event) => event.preventDefault());
    const axis = document.getElementById('axis');
    axis.addEventListener('change', () => {
      this.axis = axis.value;
      this.cursor = null;
      this.draw();
    });
    const smoothing = document.getElementById('smoothing');
    smoothing.addEventListener('input', () => {
      this.smoothing = Number(smoothing.value);
      this.draw();
    });
    this.controlTheme();
    let width = document.documentElement.clientWidth;
    addEventListener('resize', () => {
      if (width === document.documentElement.clientWidth) return;
      width = document.documentElement.clientWidth;
      requestAnimationFrame(() => this.draw());
    });
    addEventListener('beforeprint', () => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
  }

  controlTheme() {
    const root = document.documentElement;
    const button = document.getElementById('theme');
    const system = matchMedia('(prefers-color-scheme: dark)');
    const isDark = () => (root.dataset.theme ?? (system.matches ? 'dark' : 'light')) === 'dark';
    const name = () => { button.textContent = isDark() ? 'Light' : 'Dark'; };
    button.addEventListener('click', () => {
      root.dataset.theme = isDark() ? 'light' : 'dark';
      name();
    });
    system.addEventListener('change', name);
    name();
  }

  // Equal for all plots, so that they line up.
  domain() {
    let high = 0;
    for (const panel of this.data.panels) {
      for (const trace of panel.traces) {
        const rate = this.axis === 'images' ? this.data.runs[trace.run].images_per_step ?? 0 : 1;
        high = Math.max(high, this.data.axes[trace.axis].at(-1) * rate);
      }
    }
    return [0, Math.max(1, high)];
  }

  draw() {
    for (const panel of this.panels) panel.draw();
  }

  // Moves the cursor of all plots to `at` (steps or images, as the axis); null: no cursor.
  move(at) {
    if (at === this.cursor) return;
    const isIdle = this.waiting !== true;
    this.cursor = at;
    if (!isIdle) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      for (const panel of this.panels) panel.drawCursor();
    });
  }

  // Shows the grids at `at`.
  choose(at) {
    if (at === null) return;
    const rate = this.data.runs[0].images_per_step ?? 0;
    this.grids.choose(this.axis === 'images' && rate > 0 ? at / rate : at);
  }
}

new Page(JSON.parse(document.getElementById('data').textContent));
