import { age, duration, percent, rate, short } from "../format";
import { finished } from "../job/history";
import { href } from "../router";
import type { Job } from "../types";
import { now } from "../ui/clock";
import { Foreign } from "../ui/foreign";
import { Menu } from "../ui/menu";
import { Progress } from "../ui/progress";
import { StateBadge } from "../ui/state";
import { actionsOf, titleOf } from "./actions";

/* Heights in px that the style sheet keeps to. */
export const ROW_LINE = 46;
export const ROW_CARD = 92;

function Labels({ labels }: { labels: Job["labels"] }) {
  const all = Object.entries(labels);
  return (
    <>
      {all.slice(0, 3).map(([key, value]) => (
        <span key={key} class="label"><Foreign text={`${key}=${value}`} most={40} /></span>
      ))}
      {all.length > 3 && <span class="label">+{all.length - 3}</span>}
    </>
  );
}

function howFar(job: Job): string {
  const over = finished(job);
  if (job.done && job.progress === null) return `${short(over)} of ${short(job.input.received)}`;
  if (job.input.received === 0) return "no items yet";
  if (job.progress === null) return `${short(over)} of ${short(job.input.received)}+`;
  const of = `${short(over)} of ${short(job.counts.total)}`;
  return job.done ? of : `${of} · ${percent(job.progress)}`;
}

/* Stands where there is no column for it. */
function FailedToo({ failed }: { failed: number }) {
  return failed > 0 ? <span class="failed-too">{short(failed)} failed</span> : null;
}

export function JobRow({ job, index }: { job: Job; index: number }) {
  const title = titleOf(job);
  const born = (now.value - Date.parse(job.created_at)) / 1000;
  const run = job.state === "running" || job.state === "finishing";
  return (
    <tr aria-rowindex={index} data-job={job.id}>
      <th scope="row" class="c-name">
        <div class="line">
          <a href={href(["jobs", job.id])}><Foreign text={job.name || job.id} most={100} /></a>
          <Labels labels={job.labels} />
        </div>
        {job.name && <div class="id">{job.id}</div>}
      </th>
      <td class="c-state">
        <StateBadge state={job.state} />
        {job.stalled && <span class="state failed" title={job.stalled.reason}>stalled</span>}
      </td>
      <td class="c-progress">
        <Progress value={job.progress} label={`Progress of ${title}`} state={job.state} />
        <div class="id">{howFar(job)} <FailedToo failed={job.counts.failed} /></div>
      </td>
      <td class="c-rate number">{run ? rate(job.rate.items_per_s) : ""}</td>
      <td class="c-left number">{run && job.eta_s !== null ? duration(Math.ceil(job.eta_s)) : ""}</td>
      <td class={`c-failed number${job.counts.failed > 0 ? " bad" : ""}`}>
        {job.counts.failed > 0 ? (
          <a href={href(["jobs", job.id], { tab: "failures" })}
            aria-label={`${short(job.counts.failed)} failed items of ${title}`}>
            {short(job.counts.failed)}
          </a>
        ) : <span class="none">0</span>}
      </td>
      <td class="c-age number" title={job.created_at}>{age(born)}</td>
      <td class="c-do">
        <Menu label={`Actions for ${title}`}
          items={() => actionsOf(job).map((action) => ({ ...action, run: () => void action.run() }))}>
          <span aria-hidden="true">⋯</span>
        </Menu>
      </td>
    </tr>
  );
}
