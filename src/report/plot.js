// One plot: curves over steps as SVG, with a cursor.

const SVG = 'http://www.w3.org/2000/svg';
const MARGIN = {left: 46, right: 12, top: 10, bottom: 22};
const MAX_MARK_LINES = 16;  // with more marks only their heads are drawn
let plotCount = 0;

function svg(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Path through the points, with gaps at values that cannot be shown.
function linePath(xs, ys, x, y) {
  let path = '';
  let isDown = false;
  ys.forEach((value, i) => {
    const pixel = value === null ? NaN : y.at(value);
    if (!Number.isFinite(pixel)) {
      isDown = false;
      return;
    }
    path += `${isDown ? 'L' : 'M'}${x.at(xs[i]).toFixed(1)} ${pixel.toFixed(1)}`;
    isDown = true;
  });
  return path;
}

// Closed areas between two curves. A lower bound that a log axis cannot show is at its bottom.
function areaPath(xs, lows, highs, x, y) {
  let path = '';
  let run = [];
  const close = () => {
    if (run.length > 1) {
      const point = (p, value) => `${x.at(p.x).toFixed(1)} ${y.at(value).toFixed(1)}`;
      const forth = run.map((p) => point(p, p.high));
      const back = run.map((p) => point(p, p.low)).reverse();
      path += `M${[...forth, ...back].join('L')}Z`;
    }
    run = [];
  };
  xs.forEach((at, i) => {
    const low = lows[i] !== null && !Number.isFinite(y.at(lows[i])) ? y.low : lows[i];
    if (low === null || highs[i] === null || !Number.isFinite(y.at(highs[i]))) close();
    else run.push({x: at, low, high: highs[i]});
  });
  close();
  return path;
}

// The index of the point nearest to `at`; xs ascend.
function nearest(xs, at) {
  let [low, high] = [0, xs.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] < at) low = middle;
    else high = middle;
  }
  return Math.abs(xs[low] - at) <= Math.abs(xs[high] - at) ? low : high;
}

// Curves of `traces` ({xs, mean, smoothed, low, high, bands, style}; xs in steps or images), with marks ({x, text}).
// `view`: {width, height, x: [low, high], y: [low, high], isLog, reference}.
function drawPlot(node, traces, marks, view) {
  const {width, height} = view;
  const x = makeScale(...view.x, MARGIN.left, width - MARGIN.right, false);
  const y = makeScale(...view.y, height - MARGIN.bottom, MARGIN.top, view.isLog);
  const bottom = height - MARGIN.bottom;
  const clip = `clip-${++plotCount}`;
  node.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const [wide, high] = [width - MARGIN.left - MARGIN.right, bottom - MARGIN.top];
  const inside = {x: MARGIN.left, y: MARGIN.top - 2, width: wide + 2, height: high + 4};
  node.replaceChildren(svg('clipPath', {id: clip}, svg('rect', inside)));
  for (const tick of y.ticks(Math.max(2, Math.round(height / 45)))) {
    const at = y.at(tick);
    node.append(svg('line', {class: 'gridline', x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at}),
      svg('text', {x: MARGIN.left - 6, y: at + 4, 'text-anchor': 'end'}, tickText(tick)));
  }
  node.append(svg('line', {class: 'base', x1: MARGIN.left, x2: width - MARGIN.right, y1: bottom, y2: bottom}));
  for (const tick of x.ticks(Math.max(2, Math.round(width / 90))))
    node.append(svg('text', {x: x.at(tick), y: height - 6, 'text-anchor': 'middle'}, tickText(tick)));
  if (view.reference !== null && Number.isFinite(y.at(view.reference))) {
    const at = y.at(view.reference);
    node.append(svg('line', {class: 'reference', x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at}));
  }
  for (const mark of marks) {
    const at = x.at(mark.x);
    // Too many lines would hide the curves.
    const y2 = marks.length > MAX_MARK_LINES ? MARGIN.top : bottom;
    node.append(svg('g', {}, svg('title', {}, mark.text),
      svg('line', {class: 'mark', x1: at, x2: at, y1: MARGIN.top, y2}),
      svg('path', {class: 'mark-head', d: `M${at - 4} ${MARGIN.top - 6}h8l-4 6z`})));
  }
  const curves = svg('g', {'clip-path': `url(#${clip})`});
  for (const trace of traces) curves.append(drawTrace(trace, x, y));
  node.append(curves);
  return {x, y, bottom, marks, cursor: null};
}

function drawTrace(trace, x, y) {
  const group = svg('g', {class: `trace ${trace.style}`});
  // Quantile bands replace the range of buckets.
  const areas = trace.low && trace.bands.length === 0 ? [trace] : trace.bands;
  for (const area of areas)
    group.append(svg('path', {class: 'area', d: areaPath(area.xs, area.low, area.high, x, y)}));
  if (trace.smoothed !== trace.mean) group.append(svg('path', {class: 'raw', d: linePath(trace.xs, trace.mean, x, y)}));
  group.append(svg('path', {class: 'line', d: linePath(trace.xs, trace.smoothed, x, y)}));
  // Draws the points too if there are few.
  if (trace.xs.length <= 40) {
    trace.mean.forEach((value, i) => {
      const at = value === null ? NaN : y.at(value);
      if (Number.isFinite(at)) group.append(svg('circle', {cx: x.at(trace.xs[i]), cy: at, r: 2.2}));
    });
  }
  return group;
}

// Shows the cursor at `at` with the marks there; null: no cursor.
function drawCursor(node, drawn, at, text) {
  if (drawn.cursor) drawn.cursor.remove();
  drawn.cursor = null;
  if (at === null || at < drawn.x.low || at > drawn.x.high) return;
  const pixel = drawn.x.at(at);
  const isRight = pixel > (drawn.x.at(drawn.x.low) + drawn.x.at(drawn.x.high)) / 2;
  const marks = drawn.marks.filter((mark) => Math.abs(drawn.x.at(mark.x) - pixel) < 5);
  const place = {x: pixel + (isRight ? -5 : 5), y: drawn.bottom - 6, 'text-anchor': isRight ? 'end' : 'start'};
  drawn.cursor = svg('g', {},
    svg('line', {class: 'cursor', x1: pixel, x2: pixel, y1: MARGIN.top, y2: drawn.bottom}),
    svg('text', {class: 'cursor-text', ...place}, [text, ...marks.map((mark) => mark.text)].join(' · ')));
  node.append(drawn.cursor);
}
