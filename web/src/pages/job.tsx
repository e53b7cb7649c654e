/* One job: how far, what holds it up, what came of it. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, explain, Problem, token } from "../api";
import { curl } from "../curl";
import { count } from "../format";
import { actionsOf } from "../jobs/actions";
import { Charts } from "../job/charts";
import { DefinitionTab } from "../job/definition";
import { historyOf, rates, remember } from "../job/history";
import { Log } from "../job/log";
import { readMemory } from "../job/memory";
import { Pipeline } from "../job/pipeline";
import { RecordsTab } from "../job/records-tab";
import { look } from "../job/seen";
import { Notices, Summary } from "../job/summary";
import { connection, watch } from "../live";
import { href, navigate, replace, type Route } from "../router";
import { readStageKinds } from "../stagekinds";
import type { Job } from "../types";
import { Button } from "../ui/button";
import { Copy } from "../ui/copy";
import { Foreign, ForeignBlock } from "../ui/foreign";
import { StateBadge } from "../ui/state";
import { Tabs } from "../ui/tabs";
import { visible } from "../text";

const SAMPLE_MS = 1000;

/* The job as it is, its history, and a number that grows as they do. */
function useJob(id: string) {
  const job = useSignal<Job | null>(null);
  const wrong = useSignal<unknown>(null);
  const drawn = useSignal(0);

  useEffect(() => {
    const take = (next: Job) => {
      if (job.peek() && job.peek()!.version > next.version) return;
      job.value = next;
      look(next);
    };
    const stop = watch({
      events: `/v1/jobs/${encodeURIComponent(id)}/events`,
      read: async (signal) => take(await api.job(id, signal)),
      event: (_, data) => take(data as Job),
      ended: (error) => (wrong.value = error),
    });
    /* A queue that stands still makes no events; the chart goes on all the same. */
    const timer = setInterval(() => {
      const now = job.peek();
      if (!now || connection.peek() === "offline") return;
      const still = now.done && historyOf(id).at(-1)?.finished === undefined;
      if (now.done && (still || settled(now))) return;
      remember(now);
      drawn.value += 1;
    }, SAMPLE_MS);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, [id]);
  return { job, wrong, drawn };
}

/* A few seconds behind its end a job's charts stand still. */
function settled(job: Job): boolean {
  return Date.now() - Date.parse(job.finished_at ?? job.created_at) > 10000;
}

function stageRates(job: Job): (number | null)[] {
  const samples = historyOf(job.id).slice(-4);
  return job.stages.map((_, at) => {
    const near = rates(samples, (sample) => sample.stageIn[at] ?? 0).filter((each) => each !== null);
    return near.length === 0 ? null : near.reduce((sum, each) => sum + each, 0) / near.length;
  });
}

function Header({ job }: { job: Job }) {
  const request = () =>
    curl({ url: `${location.origin}/v1/jobs/${job.id}`, token: token() !== null });
  return (
    <div class="page-head">
      <div class="job-title">
        <div class="small muted"><a href="#/jobs">Jobs</a> / <span class="mono">{job.id}</span></div>
        <h1><Foreign text={job.name || job.id} most={120} /> <StateBadge state={job.state} /></h1>
        {Object.keys(job.labels).length > 0 && (
          <div class="labels">
            {Object.entries(job.labels).slice(0, 20).map(([key, value]) => (
              <span key={key} class="label"><Foreign text={`${key}=${value}`} most={80} /></span>
            ))}
          </div>
        )}
      </div>
      <div class="actions">
        {actionsOf(job).map((action) => (
          <Button key={action.name} kind={action.danger ? "danger" : "plain"}
            onClick={async () => {
              if ((await action.run()) && action.name === "delete") navigate("#/jobs");
            }}>
            {action.label}
          </Button>
        ))}
        <a class="button" href={href(["new"], { from: job.id })}>New like this</a>
        <Copy text={request} small={false}>Copy as curl</Copy>
      </div>
    </div>
  );
}

/* What a sink says at the end. */
function Report({ job }: { job: Job }) {
  const text = JSON.stringify(job.report, null, 2);
  return (
    <section class="panel" aria-label="Report">
      <div class="panel-head">
        <h2>Report</h2>
        <div class="actions"><Copy text={text}>Copy JSON</Copy></div>
      </div>
      <div class="panel-body report"><ForeignBlock text={text} label="What the sink reports" /></div>
    </section>
  );
}

const tabNames = ["results", "failures", "definition", "log"];

function Below({ job, route, drawn }: { job: Job; route: Route; drawn: number }) {
  const asked = route.query.get("tab") ?? "";
  const tab = tabNames.includes(asked) ? asked : "results";
  const tabs = [
    { name: "results", title: <>Results <span class="chip-count">{count(job.counts.results)}</span></> },
    { name: "failures", title: <>Failures <span class={job.counts.failed > 0 ? "chip-count bad" : "chip-count"}>{count(job.counts.failed)}</span></> },
    { name: "definition", title: "Definition" },
    { name: "log", title: "Event log" },
  ];
  return (
    <section class="panel" aria-label="Contents">
      <Tabs label="Contents of the job" tabs={tabs} current={tab}
        onChange={(name) => replace(href(["jobs", job.id], { tab: name }))}>
        {tab === "results" && <RecordsTab key="results" job={job} kind="results" />}
        {tab === "failures" && <RecordsTab key="failures" job={job} kind="failures" />}
        {tab === "definition" && <DefinitionTab job={job} />}
        {tab === "log" && <Log id={job.id} drawn={drawn} />}
      </Tabs>
    </section>
  );
}

function Wrong({ error }: { error: unknown }) {
  const gone = error instanceof Problem && error.status === 404;
  return (
    <div class="page">
      <h1>{gone ? "There is no such job" : "This job cannot be shown"}</h1>
      <p role="alert">{gone ? "It was deleted, or never was on this server." : explain(error)}</p>
      <p><a href="#/jobs">To the jobs</a></p>
    </div>
  );
}

export function JobPage({ id, route }: { id: string; route: Route }) {
  const { job, wrong, drawn } = useJob(id);
  const now = job.value;
  useEffect(() => void readStageKinds(), []);
  useEffect(() => (now && !now.done ? readMemory() : undefined), [now?.done]);
  useEffect(() => {
    if (now) document.title = `${visible(now.name).slice(0, 60) || now.id} · leat`;
  }, [now?.name]);

  if (wrong.value) return <Wrong error={wrong.value} />;
  if (!now) return <div class="page" aria-busy="true" />;
  return (
    <div class="page">
      <Header job={now} />
      <Notices job={now} />
      <Summary job={now} />
      <Pipeline job={now} rates={stageRates(now)} />
      <Charts job={now} drawn={drawn.value} />
      {now.report !== null && <Report job={now} />}
      <Below job={now} route={route} drawn={drawn.value} />
    </div>
  );
}
