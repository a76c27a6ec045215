// What is known of all services: counters become rates from one answer to the next, for as long as
// the history is. The counting is that of `nrt top`.

export const HISTORY = 120; // answers that are kept
const BUCKETS = 240; // of the histogram that services of nrt have: eight to each power of two
const FADING = 0.7; // what counts as recent: each answer weighs so much of the next one
const MISSING = 1; // so many answers may be missed before an instance is gone
const PAUSE_MS = 10000; // answers further apart are no line in a chart

function bucketOf(us) {
  if (us < 8) return us;
  const shift = 28 - Math.clz32(us);
  return (shift + 1) * 8 + (us >>> shift) - 8;
}

export function bucketBounds(bucket) {
  if (bucket < 8) return [bucket, bucket + 1];
  const shift = (bucket >> 3) - 1;
  const from = (8 + (bucket & 7)) * 2 ** shift;
  return [from, from + 2 ** shift];
}

export function quantile(histogram, part) {
  let total = 0;
  for (let i = 0; i < BUCKETS; i++) total += histogram[i];
  if (total < 0.01) return null; // what is left has faded
  let before = 0;
  for (let i = 0; i < BUCKETS; i++) {
    if (histogram[i] > 0 && before + histogram[i] >= part * total) {
      const [from, to] = bucketBounds(i);
      return from + (to - from) * ((part * total - before) / histogram[i]);
    }
    before += histogram[i];
  }
  return null;
}

// Numbers over time, the last one at the end; NaN where there is none.
class Series {
  constructor() {
    this.values = new Float32Array(HISTORY).fill(NaN);
  }

  push(value) {
    this.values.copyWithin(0, 1);
    this.values[HISTORY - 1] = value === null ? NaN : value;
  }
}

// What instances, services and all of it together have.
class Counted {
  constructor() {
    this.rate = null; // requests a second
    this.errorRate = 0;
    this.errorShare = null; // of recent requests
    this.inFlight = null;
    this.p50 = null; // microseconds
    this.p99 = null;
    this.recentRequests = 0;
    this.recentErrors = 0;
    this.recent = new Float32Array(BUCKETS);
    this.history = { rate: new Series(), errors: new Series(), p50: new Series(), p99: new Series() };
  }

  settle() {
    this.errorShare = this.recentRequests > 0.01 ? Math.min(1, this.recentErrors / this.recentRequests) : null;
    this.p50 = quantile(this.recent, 0.5);
    this.p99 = quantile(this.recent, 0.99);
  }

  remember() {
    this.history.rate.push(this.rate);
    this.history.errors.push(this.rate === null ? null : this.errorRate);
    this.history.p50.push(this.p50);
    this.history.p99.push(this.p99);
  }

  interrupt() {
    for (const series of Object.values(this.history)) series.push(null);
  }

  // The sum of others.
  gather(list) {
    const before = this.rate;
    this.rate = null;
    this.inFlight = null;
    this.errorRate = this.recentRequests = this.recentErrors = 0;
    this.recent.fill(0);
    for (const one of list) {
      if (one.inFlight !== null) this.inFlight += one.inFlight;
      if (one.rate === null) continue;
      this.rate += one.rate;
      this.errorRate += one.errorRate;
      this.recentRequests += one.recentRequests;
      this.recentErrors += one.recentErrors;
      for (let i = 0; i < BUCKETS; i++) this.recent[i] += one.recent[i];
    }
    if (this.rate === null && before !== null && list.length === 0) this.rate = 0;
    this.settle();
    this.remember();
  }
}

// Counters only grow; one that did not has begun anew.
const grown = (now, before) => (now >= before ? now - before : now);

class Instance extends Counted {
  constructor(id) {
    super();
    this.id = id;
    this.missed = 0;
    this.seen = new Float64Array(BUCKETS);
    this.at = null; // milliseconds, by the process's clock
  }

  take(told, at) {
    const first = this.at === null;
    const seconds = (at - this.at) / 1000;
    const latency = new Float64Array(BUCKETS);
    for (const [from, to, number] of told.latency) latency[bucketOf(Math.floor((from + to) / 2))] += number;
    if (!first && seconds > 0) {
      const come = grown(told.requests, this.told.requests);
      const failed = grown(told.errors, this.told.errors);
      this.rate = come / seconds;
      this.errorRate = failed / seconds;
      this.recentRequests = this.recentRequests * FADING + come;
      this.recentErrors = this.recentErrors * FADING + failed;
      for (let i = 0; i < BUCKETS; i++) {
        this.recent[i] = this.recent[i] * FADING + grown(latency[i], this.seen[i]);
      }
      this.settle();
      this.remember();
    }
    this.seen = latency;
    this.told = told;
    this.at = at;
    this.missed = 0;
    this.inFlight = told.in_flight;
  }
}

class Service extends Counted {
  constructor(key) {
    super();
    this.key = key;
    this.instances = new Map(); // by id, in their order
  }

  take(told, at) {
    this.told = told;
    this.label = told.host || told.name;
    for (const one of told.instances) {
      let instance = this.instances.get(one.id);
      if (!instance) this.instances.set(one.id, (instance = new Instance(one.id)));
      instance.service = this;
      instance.take(one, at);
    }
    const there = new Set(told.instances.map((one) => one.id));
    this.drop((one) => !there.has(one.id));
  }

  // One that did not answer may only have been late.
  drop(isMissing) {
    for (const one of this.instances.values()) {
      if (!isMissing(one)) continue;
      one.interrupt();
      if (++one.missed > MISSING) this.instances.delete(one.id);
    }
  }

  get clusters() {
    return [...new Set([...this.instances.values()].map((one) => one.told.cluster))].sort();
  }
}

export class Model {
  constructor() {
    this.services = new Map(); // by key
    this.all = new Counted();
    this.instanceCount = 0;
    this.asked = null;
    this.times = []; // of the last answers
    this.version = 0; // grows when services or instances come or go
  }

  // An answer of /services; false where it is the one from before.
  take(told) {
    if (told.asked_ms === this.asked) return false;
    const paused = this.asked !== null && told.asked_ms - this.asked > PAUSE_MS;
    const before = this.shape();
    this.asked = told.asked_ms;
    if (paused) {
      this.interrupt();
      this.times.push(this.asked);
    }
    this.times = [...this.times.slice(1 - HISTORY), told.asked_ms];
    const there = new Set();
    for (const one of told.services) {
      const key = (one.host || one.name) + (one.prefix && one.prefix !== "nrt" ? `@${one.prefix}` : "");
      let service = this.services.get(key);
      if (!service) this.services.set(key, (service = new Service(key)));
      there.add(key);
      service.take(one, told.asked_ms);
    }
    for (const service of this.services.values()) {
      if (!there.has(service.key)) service.drop(() => true);
      if (service.instances.size === 0) this.services.delete(service.key);
      else service.gather([...service.instances.values()]);
    }
    this.all.gather([...this.services.values()]);
    this.instanceCount = [...this.services.values()].reduce((sum, one) => sum + one.instances.size, 0);
    if (this.shape() !== before) this.version++;
    return true;
  }

  // The seconds that so many answers took, or would take.
  seconds(answers) {
    const { times } = this;
    const each = times.length > 1 ? (times[times.length - 1] - times[0]) / (times.length - 1) : 1000;
    return (each * (answers - 1)) / 1000;
  }

  shape() {
    let text = "";
    for (const service of this.services.values()) {
      for (const one of service.instances.values()) text += `${service.key} ${one.id} ${one.told.cluster}\n`;
    }
    return text;
  }

  interrupt() {
    this.all.interrupt();
    for (const service of this.services.values()) {
      service.interrupt();
      for (const one of service.instances.values()) one.interrupt();
    }
  }
}
