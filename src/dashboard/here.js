// What this process itself counts: its metrics as rates.

const sum = (samples, which = () => true) => (samples || []).filter(which).reduce((all, one) => all + one.value, 0);

export class Here {
  constructor() {
    this.role = "client";
    this.ids = new Set(); // of its own instances
    this.rates = new Map(); // requests a second, by service
    this.rate = null;
    this.failures = [];
    this.facts = [];
    this.before = null;
  }

  take(process, metrics, now) {
    const { role } = process;
    const requests = metrics.get(`nrt_${role}_requests_total`) || [];
    const counters = {
      requests: role === "client" ? sum(metrics.get("nrt_client_requests_total")) : sum(requests),
      failed: role === "client" ? sum(metrics.get("nrt_client_failures_total")) : sum(requests, (one) => one.labels.code === "5xx"),
      retries: sum(metrics.get("nrt_client_retries_total")),
      received: sum(metrics.get("nrt_nats_received_bytes_total")),
      sent: sum(metrics.get("nrt_nats_sent_bytes_total")),
    };
    const byService = new Map();
    for (const { labels, value } of requests) byService.set(labels.service, (byService.get(labels.service) || 0) + value);
    const seconds = this.before ? (now - this.before.now) / 1000 : 0;
    const grown = (value, before) => (seconds > 0.1 ? Math.max(0, value - (before || 0)) / seconds : null);
    if (seconds > 0.1) {
      this.rates = new Map([...byService].map(([name, value]) => [name, grown(value, this.before.byService.get(name))]));
      this.rate = grown(counters.requests, this.before.requests);
    }
    const gauge = (name) => (metrics.has(name) ? sum(metrics.get(name)) : null);
    Object.assign(this, {
      role,
      process,
      ids: new Set(process.services.map((one) => one.id)),
      failures: process.failures,
      now: {
        rate: this.rate,
        failed: grown(counters.failed, this.before?.failed),
        retries: grown(counters.retries, this.before?.retries),
        received: grown(counters.received, this.before?.received),
        sent: grown(counters.sent, this.before?.sent),
        requests: counters.requests,
        inFlight: gauge(role === "service" ? "nrt_service_requests_in_flight" : "nrt_client_requests_in_flight"),
        connections: gauge("nrt_gateway_connections"),
        reconnects: gauge("nrt_nats_reconnects_total"),
        memory: gauge("process_resident_memory_bytes"),
      },
    });
    this.before = { now, byService, ...counters };
  }
}
