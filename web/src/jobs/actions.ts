/* What can be done to a job, by its state; what would lose something asks first. */
import { api } from "../api";
import { plural } from "../format";
import { visible } from "../text";
import type { Job } from "../types";
import { confirm } from "../ui/dialog";
import { attempt } from "../ui/toast";

export type ActionName = "pause" | "resume" | "close" | "retry" | "cancel" | "delete";

export interface JobAction {
  name: ActionName;
  label: string;
  danger?: boolean;
  /* True when it was done. */
  run(): Promise<boolean>;
}

/* A job's name as a person would say it, harmless in a sentence. */
export function titleOf(job: Pick<Job, "id" | "name">): string {
  const name = visible(job.name).trim();
  if (!name) return job.id;
  return name.length > 60 ? name.slice(0, 60) + "…" : name;
}

/* Which of them a job in this state takes. */
export function allowed(job: Pick<Job, "state" | "done" | "input" | "counts">): ActionName[] {
  const names: ActionName[] = [];
  if (job.state === "running") names.push("pause");
  if (job.state === "paused") names.push("resume");
  if (!job.done && job.input.state === "open") names.push("close");
  if (job.counts.failed > 0 && job.state !== "failed" && job.state !== "cancelled")
    names.push("retry");
  if (!job.done) names.push("cancel");
  names.push("delete");
  return names;
}

function unfinished(job: Job): number {
  return job.counts.pending + job.counts.running;
}

function whatCancelLoses(job: Job): string {
  const left = unfinished(job);
  const kept = "Its results so far stay, and can still be read.";
  if (left === 0) return `It ends as it is. ${kept}`;
  return `${plural(left, "item")} that ${left === 1 ? "is" : "are"} not finished will not be worked on. ${kept}`;
}

function whatDeleteLoses(job: Job): string {
  const gone = [plural(job.counts.results, "result"), plural(job.counts.failed, "failure")];
  const stops = job.done ? "" : `It is still ${job.state}: it is stopped first. `;
  return `${stops}${gone.join(" and ")} are removed for good, with the job itself.`;
}

type Doing = Record<ActionName, (job: Job) => Omit<JobAction, "name">>;

const did = async (what: () => Promise<unknown>, done: string) =>
  (await attempt(async () => (await what(), true), done)) ?? false;

const doing: Doing = {
  pause: (job) => ({
    label: "Pause",
    run: () => did(() => api.act(job.id, "pause"), `${titleOf(job)} is paused`),
  }),
  resume: (job) => ({
    label: "Resume",
    run: () => did(() => api.act(job.id, "resume"), `${titleOf(job)} goes on`),
  }),
  close: (job) => ({
    label: "Close input",
    run: () => did(() => api.act(job.id, "close"), `${titleOf(job)} takes no more items`),
  }),
  retry: (job) => ({
    label: "Retry failures",
    run: () => did(() => api.retry(job.id),
      `${plural(job.counts.failed, "failed item")} of ${titleOf(job)} run again`),
  }),
  cancel: (job) => ({
    label: "Cancel",
    danger: true,
    run: async () =>
      (await confirm({
        title: `Cancel ${titleOf(job)}?`, text: whatCancelLoses(job),
        action: "Cancel the job", danger: true,
      })) && did(() => api.act(job.id, "cancel"), `${titleOf(job)} is cancelled`),
  }),
  delete: (job) => ({
    label: "Delete",
    danger: true,
    run: async () =>
      (await confirm({
        title: `Delete ${titleOf(job)}?`, text: whatDeleteLoses(job),
        action: "Delete the job", danger: true,
      })) && did(() => api.remove(job.id), `${titleOf(job)} is deleted`),
  }),
};

export function actionsOf(job: Job): JobAction[] {
  return allowed(job).map((name) => ({ name, ...doing[name](job) }));
}
