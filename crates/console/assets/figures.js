// Numbers, bytes and spans of time as words: the same words that the server writes.

const whole = new Intl.NumberFormat('en');

/** 1234567 as "1,234,567". */
export function number(count) {
  return whole.format(count);
}

/** "1 row", "12 rows". */
export function rows(count) {
  return `${number(count)} ${count === 1 ? 'row' : 'rows'}`;
}

/** 210000000 as "210 MB"; powers of 1000, as disks are sold. */
export function bytes(count) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit + 1 < units.length) {
    value /= 1000;
    unit += 1;
  }
  const text = value.toFixed(unit > 0 && value < 99.95 ? 1 : 0);
  return `${text.replace(/\.0$/, '')} ${units[unit]}`;
}

// The least seconds for which a unit is taken, how long it is, and its name.
const UNITS = [
  [172_800, 86_400, 'days'], [86_400, 86_400, 'day'], [3600, 3600, 'h'], [60, 60, 'min'], [0, 1, 's'],
];

/** A span in its largest unit: "6 days", "3 min". */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [, size, unit] = UNITS.find(([least]) => seconds >= least);
  return `${Math.floor(seconds / size)} ${unit}`;
}
