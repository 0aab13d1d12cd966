// @atcute/repo: fromUint8Array over the whole file.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';

const modules = resolve(process.env.COMPARE_NODE_MODULES ?? 'node_modules');
const { fromUint8Array } = await import(pathToFileURL(join(modules, '@atcute/repo/dist/index.js')));

const read = (car, give) => {
  let items = 0;
  let bytes = 0;
  for (const entry of fromUint8Array(car)) {
    items += 1;
    bytes += entry.bytes.length;
    give?.(entry);
  }
  return { items, bytes };
};

// Returns the last counts, the median time of one reading, and the number of readings.
const repeat = (car) => {
  const start = performance.now();
  let counts = read(car);
  const batch = Math.max(1, Math.floor(2 / (performance.now() - start)));
  const times = [];
  let iterations = 1;
  while (performance.now() - start < 200 || times.length < 5) {
    const begin = performance.now();
    for (let i = 0; i < batch; i++) {
      counts = read(car);
    }
    times.push((performance.now() - begin) / batch / 1e3);
    iterations += batch;
  }
  times.sort((a, b) => a - b);
  return { ...counts, seconds: times[times.length >> 1], iterations };
};

const peakRss = () => {
  const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'ascii'));
  return Number(kibibytes) * 1024;
};

const [file, mode] = process.argv.slice(2);
const digest = mode === 'check' ? createHash('sha256') : undefined;
const check = ({ collection, rkey, carEntry }) => {
  const { bytes: cid, digest: { contents } } = carEntry.cid;
  const key = Buffer.from(`${collection}/${rkey}`, 'ascii');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(key.length);
  digest.update(length).update(key).update(cid);
  if (!createHash('sha256').update(carEntry.bytes).digest().equals(contents)) {
    throw new Error(`the block under the key ${key} does not match its CID`);
  }
};

const inMemory = mode === 'repeat' ? readFileSync(file) : undefined;
const cpu = process.cpuUsage();
const start = performance.now();
let report;
if (mode === 'repeat') {
  report = repeat(inMemory);
} else {
  report = { ...read(readFileSync(file), digest && check), iterations: 1 };
  report.seconds = (performance.now() - start) / 1e3;
}
const { user, system } = process.cpuUsage(cpu);
report.user_seconds = user / 1e6 / report.iterations;
report.system_seconds = system / 1e6 / report.iterations;
report.peak_rss = peakRss();
report.digest = digest?.digest('hex');
console.log(JSON.stringify(report));
