/* All jobs: a live table, filtered and sorted, only the rows in sight drawn. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { plural } from "../format";
import { matcher, sorted, type Filter, type Sort, type SortKey } from "../jobs/list";
import { JobRow, ROW_CARD, ROW_LINE } from "../jobs/row";
import { MOST, watchJobs, type LiveJobs } from "../jobs/watch";
import { href, replace, type Route } from "../router";
import type { Job, JobState } from "../types";
import { Button } from "../ui/button";
import { narrow } from "../ui/media";
import { useVisibleSpan } from "../ui/virtual";
import { Welcome } from "../jobs/welcome";

const states: JobState[] = ["running", "paused", "finishing", "succeeded", "failed", "cancelled"];

function filterOf(route: Route): Filter {
  const state = route.query.get("state") as JobState | null;
  return { state: state && states.includes(state) ? state : "", text: route.query.get("q") ?? "" };
}

function show(filter: Filter): void {
  const query: Record<string, string> = {};
  if (filter.state) query.state = filter.state;
  if (filter.text) query.q = filter.text;
  replace(href(["jobs"], query));
}

function Filters({ filter, live }: { filter: Filter; live: LiveJobs }) {
  const counts = new Map<JobState, number>();
  for (const job of live.list.all) counts.set(job.state, (counts.get(job.state) ?? 0) + 1);
  const more = live.list.complete ? "" : "+";
  return (
    <search class="filters">
      <input class="input" type="search" value={filter.text} placeholder="Name, id or label=value"
        aria-label="Filter by name, id or label"
        onInput={(event) => show({ ...filter, text: event.currentTarget.value })} />
      <div class="chips" role="group" aria-label="Filter by state">
        <button type="button" class="chip" aria-pressed={filter.state === ""}
          onClick={() => show({ ...filter, state: "" })}>
          all <span class="chip-count">{live.list.size}{more}</span>
        </button>
        {states.map((state) => (
          <button key={state} type="button" class={`chip ${state}`} aria-pressed={filter.state === state}
            onClick={() => show({ ...filter, state: filter.state === state ? "" : state })}>
            {state} <span class="chip-count">{counts.get(state) ?? 0}{more}</span>
          </button>
        ))}
      </div>
    </search>
  );
}

interface HeadProps {
  name: SortKey;
  title: string;
  number?: boolean;
  sort: Sort;
  by: (sort: Sort) => void;
}

function Head({ name, title, number, sort, by }: HeadProps) {
  const here = sort.key === name;
  const first = name !== "name" && name !== "state"; /* numbers: the largest first */
  return (
    <th scope="col" class={`c-${name}${number ? " number" : ""}`}
      aria-sort={here ? (sort.down ? "descending" : "ascending") : undefined}>
      <button type="button" class="sort"
        onClick={() => by({ key: name, down: here ? !sort.down : first })}>
        {title}
        <span class="sort-sign" aria-hidden="true">{here ? (sort.down ? "↓" : "↑") : ""}</span>
      </button>
    </th>
  );
}

interface TableProps {
  jobs: readonly Job[];
  live: LiveJobs;
  sort: Sort;
  by: (sort: Sort) => void;
}

function Table({ jobs, live, sort, by }: TableProps) {
  const body = useRef<HTMLTableSectionElement>(null);
  const span = useVisibleSpan(body, narrow.value ? ROW_CARD : ROW_LINE, jobs.length);
  const atEnd = span.to >= jobs.length;
  useEffect(() => {
    if (atEnd && live.list.size < MOST) live.more();
  }, [atEnd, jobs.length, live.list.size, live.loading.value]);

  const head = { sort, by };
  return (
    <table class="table jobs" aria-rowcount={live.list.complete ? jobs.length + 1 : -1}>
      <caption class="visually-hidden">Jobs</caption>
      <thead>
        <tr aria-rowindex={1}>
          <Head name="name" title="Job" {...head} />
          <Head name="state" title="State" {...head} />
          <th scope="col" class="c-progress">Progress</th>
          <Head name="rate" title="Rate" number {...head} />
          <th scope="col" class="c-left number">Time left</th>
          <Head name="failed" title="Failed" number {...head} />
          <Head name="age" title="Age" number {...head} />
          <th scope="col" class="c-do"><span class="visually-hidden">Actions</span></th>
        </tr>
      </thead>
      <tbody ref={body}>
        {span.before > 0 && <tr class="gap" style={{ height: `${span.before}px` }} aria-hidden="true" />}
        {jobs.slice(span.from, span.to).map((job, at) => (
          <JobRow key={job.id} job={job} index={span.from + at + 2} />
        ))}
        {span.after > 0 && <tr class="gap" style={{ height: `${span.after}px` }} aria-hidden="true" />}
      </tbody>
    </table>
  );
}

function Foot({ live, shown, filtered }: { live: LiveJobs; shown: number; filtered: boolean }) {
  const { size, complete } = live.list;
  const of = filtered ? `${plural(shown, "job")} of ${size} fit the filter` : plural(shown, "job");
  const rest = live.loading.value ? "; reading older ones…" : "; older ones are read as you scroll";
  return (
    <div class="foot muted small">
      <span role="status">{of}{complete ? "" : rest}</span>
      {!complete && size >= MOST && <Button small onClick={live.more}>Read older jobs</Button>}
    </div>
  );
}

export function JobsPage({ route }: { route: Route }) {
  const live = useMemo(watchJobs, []);
  const sort = useSignal<Sort>({ key: "age", down: true });
  useEffect(() => live.stop, []);

  const drawn = live.drawn.value;
  const filter = filterOf(route);
  const jobs = useMemo(
    () => sorted(live.list.all.filter(matcher(filter)), sort.value),
    [drawn, filter.state, filter.text, sort.value],
  );
  const filtered = filter.state !== "" || filter.text !== "";
  const none = live.ready.value && live.list.size === 0;
  return (
    <div class="page">
      <div class="page-head">
        <h1>Jobs</h1>
        {!none && <Filters filter={filter} live={live} />}
      </div>
      {live.wrong.value && <p role="alert" class="notice bad">{live.wrong.value}</p>}
      {none ? <Welcome /> : (
        <div class="panel" aria-busy={!live.ready.value}>
          <Table jobs={jobs} live={live} sort={sort.value} by={(next) => (sort.value = next)} />
          {live.ready.value && <Foot live={live} shown={jobs.length} filtered={filtered} />}
        </div>
      )}
    </div>
  );
}
