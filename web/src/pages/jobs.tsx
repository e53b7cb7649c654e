import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, explain } from "../api";
import { count, duration, rate } from "../format";
import { watch } from "../live";
import { href, type Route } from "../router";
import type { Job } from "../types";
import { Foreign } from "../ui/foreign";
import { Progress } from "../ui/progress";
import { StateBadge } from "../ui/state";

export function JobsPage(_: { route: Route }) {
  const jobs = useSignal<Job[] | null>(null);
  const wrong = useSignal<string | null>(null);

  useEffect(() => watch({
    events: "/v1/events",
    async read(signal) {
      jobs.value = (await api.jobs({ limit: 100 }, signal)).items;
    },
    event(name, data) {
      const changed = data as Job;
      const others = (jobs.peek() ?? []).filter((job) => job.id !== changed.id);
      if (name === "deleted") jobs.value = others;
      else jobs.value = [...others, changed].sort((a, b) => (a.id < b.id ? 1 : -1));
    },
    ended: (error) => (wrong.value = explain(error)),
  }), []);

  return (
    <div class="page">
      <h1>Jobs</h1>
      {wrong.value && <p role="alert">{wrong.value}</p>}
      <table class="table">
        <thead>
          <tr>
            <th>Job</th><th>State</th><th>Progress</th><th class="number">Rate</th>
            <th class="number">Left</th><th class="number">Failed</th>
          </tr>
        </thead>
        <tbody>
          {(jobs.value ?? []).map((job) => (
            <tr key={job.id}>
              <td><a href={href(["jobs", job.id])}><Foreign text={job.name || job.id} most={80} /></a></td>
              <td><StateBadge state={job.state} /></td>
              <td><Progress value={job.progress} label={`Progress of ${job.name || job.id}`} state={job.state} /></td>
              <td class="number">{rate(job.rate.items_per_s)}</td>
              <td class="number">{duration(job.eta_s)}</td>
              <td class="number">{count(job.counts.failed)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
