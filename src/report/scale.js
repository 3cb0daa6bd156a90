'use strict';
// Axes: scales between values and pixels, ticks, and number formats.

// 1234567 as "1,234,567", small numbers with four digits.
function numberText(value) {
  if (value === null || !Number.isFinite(value)) return 'not finite';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2).replace(/\.?0+e/, 'e').replace('e+', 'e');
  return value.toLocaleString('en-US', {maximumSignificantDigits: size >= 1000 ? 6 : 4});
}

function wholeText(value) {
  return Math.round(value).toLocaleString('en-US');
}

// Short enough for an axis: 20000 as "20k".
function tickText(value) {
  const size = Math.abs(value);
  const [unit, name] = size >= 1e9 ? [1e9, 'G'] : size >= 1e6 ? [1e6, 'M'] : size >= 1e4 ? [1e3, 'k'] : [1, ''];
  if (size > 0 && size < 1e-3) return value.toExponential(1).replace('.0e', 'e');
  return String(Number((value / unit).toPrecision(6))) + name;
}

// About `count` round numbers from `low` to `high`.
function linearTicks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= rough * 0.99);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-12) + step * 1e-9; ++i) ticks.push(i * step);
  return ticks;
}

// Powers of ten: every nth if there are many; also 3, or 2 and 5 times each if there are few.
function logTicks(low, high, count) {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const inside = (value) => value >= low * 0.999 && value <= high * 1.001;
  const every = Math.max(1, Math.ceil((last - first) / Math.max(1, count)));
  const ticks = [];
  for (const factors of [[1], [1, 3], [1, 2, 5]]) {
    ticks.length = 0;
    for (let e = first; e <= last; e += every) ticks.push(...factors.map((f) => f * 10 ** e).filter(inside));
    if (ticks.length >= 3) return ticks;
  }
  return ticks.length >= 2 ? ticks : linearTicks(low, high, count);
}

// Maps `low`..`high` to the pixels `from`..`to`. A range of one value is widened.
function makeScale(low, high, from, to, isLog) {
  if (low === high) {
    const around = low === 0 ? 1 : Math.abs(low) / 10;
    [low, high] = isLog ? [low / 1.1, high * 1.1] : [low - around, high + around];
  }
  const forward = isLog ? Math.log : (v) => v;
  const backward = isLog ? Math.exp : (v) => v;
  const [a, b] = [forward(low), forward(high)];
  return {
    low, high,
    at: (value) => from + (forward(value) - a) / (b - a) * (to - from),
    value: (pixel) => backward(a + (pixel - from) / (to - from) * (b - a)),
    ticks: (count) => (isLog ? logTicks : linearTicks)(low, high, count),
  };
}

// Min and max of the values, without those that a log axis cannot show; null if there are none.
function extent(lists, isLog) {
  let [low, high] = [Infinity, -Infinity];
  for (const list of lists) {
    for (const value of list) {
      if (value === null || (isLog && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : null;
}

// Exponential moving average with bias correction; keeps gaps. `strength` from 0 (none) to 10.
function smooth(values, strength) {
  if (strength === 0) return values;
  const keep = 1 - 1 / (1 + strength ** 2);
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    sum = keep * sum + (1 - keep) * value;
    weight = keep * weight + 1 - keep;
    return sum / weight;
  });
}
