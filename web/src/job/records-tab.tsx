/* Results or failures: a list to look through, search, copy and download. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { api, token } from "../api";
import { curl } from "../curl";
import { count, plural } from "../format";
import { downloadCsv, downloadLines, fileName } from "../records/download";
import { recordsPath, type Entry, type Kind } from "../records/read";
import type { Job } from "../types";
import { Button } from "../ui/button";
import { Copy } from "../ui/copy";
import { Foreign } from "../ui/foreign";
import { attempt, toast } from "../ui/toast";
import { useVisibleSpan } from "../ui/virtual";
import { narrow } from "../ui/media";
import { Detail } from "./detail";
import { records, search, type Records } from "./records";

/* Heights in px that the style sheet keeps to. */
const LINE = 34;
const FAILURE_CARD = 78;

function Download({ job, kind }: { job: Job; kind: Kind }) {
  const rows = useSignal<number | null>(null);
  const stop = useRef<AbortController>(undefined);
  useEffect(() => () => stop.current?.abort(), []);
  const csv = async () => {
    stop.current = new AbortController();
    rows.value = 0;
    await attempt(() =>
      downloadCsv(job.id, kind, fileName(job, kind, "csv"), (done) => (rows.value = done), stop.current!.signal),
    );
    rows.value = null;
  };
  return (
    <>
      <Button small label={`Download NDJSON of the ${kind}`}
        onClick={() => void attempt(() => downloadLines(job.id, kind, fileName(job, kind, "ndjson")))}>
        Download NDJSON
      </Button>
      <Button small label={`Download CSV of the ${kind}`} onClick={() => void csv()} disabled={rows.value !== null}>
        {rows.value === null ? "Download CSV" : `CSV: ${count(rows.value)} rows…`}
      </Button>
      <Copy label={`Copy as curl: the ${kind}`}
        text={() => curl({
          url: location.origin + recordsPath(job.id, kind), token: token() !== null,
          args: ["-o", fileName(job, kind, "ndjson")],
        })}>
        Copy as curl
      </Copy>
    </>
  );
}

interface RowProps {
  entry: Entry;
  index: number;
  open: () => void;
  retry: ((item: number) => void) | null;
}

function ResultRow({ entry, index, open }: RowProps) {
  return (
    <tr aria-rowindex={index}>
      <td class="c-item number">{count(entry.item)}</td>
      <td class="c-value">
        <button type="button" class="value" onClick={open}><Foreign text={entry.raw} /></button>
      </td>
    </tr>
  );
}

function FailureRow({ entry, index, open, retry }: RowProps) {
  const failure = entry.failure!;
  return (
    <tr aria-rowindex={index}>
      <td class="c-item number">{count(entry.item)}</td>
      <td class="c-stage"><Foreign text={failure.stage} most={60} /></td>
      <td class="c-kind">{failure.kind}</td>
      <td class="c-attempts number">{count(failure.attempts)}</td>
      <td class="c-value">
        <button type="button" class="value" onClick={open}><Foreign text={failure.error} /></button>
      </td>
      <td class="c-do">
        {retry && (
          <Button small onClick={() => retry(entry.item)} label={`Retry item ${entry.item}`}>Retry</Button>
        )}
      </td>
    </tr>
  );
}

function Head({ kind }: { kind: Kind }) {
  return (
    <thead>
      <tr aria-rowindex={1}>
        <th scope="col" class="c-item number">Item</th>
        {kind === "failures" && (
          <>
            <th scope="col" class="c-stage">Stage</th>
            <th scope="col" class="c-kind">Kind</th>
            <th scope="col" class="c-attempts number">Attempts</th>
          </>
        )}
        <th scope="col" class="c-value">{kind === "failures" ? "Error" : "Result"}</th>
        {kind === "failures" && <th scope="col" class="c-do"><span class="visually-hidden">Actions</span></th>}
      </tr>
    </thead>
  );
}

interface ListProps {
  entries: Entry[];
  kind: Kind;
  retry: ((item: number) => void) | null;
  open: (at: number) => void;
}

function List({ entries, kind, retry, open }: ListProps) {
  const body = useRef<HTMLTableSectionElement>(null);
  const height = narrow.value && kind === "failures" ? FAILURE_CARD : LINE;
  const span = useVisibleSpan(body, height, entries.length);
  const Row = kind === "results" ? ResultRow : FailureRow;
  return (
    <table class={`table records ${kind}`} aria-rowcount={entries.length + 1}>
      <caption class="visually-hidden">{kind}</caption>
      <Head kind={kind} />
      <tbody ref={body}>
        {span.before > 0 && <tr class="gap" style={{ height: `${span.before}px` }} aria-hidden="true" />}
        {entries.slice(span.from, span.to).map((entry, at) => (
          <Row key={entry.cursor} entry={entry} index={span.from + at + 2} retry={retry}
            open={() => open(span.from + at)} />
        ))}
        {span.after > 0 && <tr class="gap" style={{ height: `${span.after}px` }} aria-hidden="true" />}
      </tbody>
    </table>
  );
}

/* Loads the first page as it fills, and begins again when failures were retried. */
function useFresh(live: Records, job: Job, kind: Kind): void {
  const total = kind === "results" ? job.counts.results : job.counts.failed;
  const before = useRef(total);
  const tried = useRef(0);
  const loading = live.loading.value;
  useEffect(() => {
    const fewer = total < before.current;
    const loaded = live.entries.peek().length;
    before.current = total;
    if (fewer) void live.again();
    /* As many as before may be others: what was retried and has failed again. Once a version. */
    else if (!loading && tried.current !== job.version && loaded < 100 && loaded < total) {
      tried.current = job.version;
      void live.more();
    }
  }, [total, job.version, loading]);
}

function empty(job: Job, kind: Kind, loaded: number, searched: boolean): string | null {
  if (searched && loaded > 0) return "Nothing of what is loaded fits.";
  if (loaded > 0) return null;
  if (kind === "failures") return job.done ? "No item failed." : "No item has failed so far.";
  if (job.report !== null) return "What came of this job stands in its report.";
  return job.done ? "This job has no results." : "No results yet.";
}

export function RecordsTab({ job, kind }: { job: Job; kind: Kind }) {
  const live = useMemo(() => records(job.id, kind), [job.id, kind]);
  const text = useSignal("");
  const opened = useSignal<number | null>(null);
  useEffect(() => {
    void live.more();
    return live.stop;
  }, [live]);
  useFresh(live, job, kind);

  const loaded = live.entries.value;
  const found = useMemo(() => search(loaded, text.value), [loaded, text.value]);
  const total = kind === "results" ? job.counts.results : job.counts.failed;
  const mayRetry = kind === "failures" && job.state !== "failed" && job.state !== "cancelled";
  const retry = async (items?: number[]) => {
    const done = await attempt(() => api.retry(job.id, items));
    if (done) toast(items ? `Item ${items[0]} runs again` : `${plural(total, "failed item")} run again`);
    if (done) await live.again();
  };
  const nothing = live.loading.value ? null : empty(job, kind, loaded.length, text.value !== "");
  return (
    <div>
      <div class="records-bar">
        <input class="input" type="search" value={text.value} placeholder="Search in what is loaded"
          aria-label={`Search in the ${kind} that are loaded`}
          onInput={(event) => (text.value = event.currentTarget.value)} />
        <span class="muted small" role="status">
          {text.value !== "" ? `${count(found.length)} found in ` : ""}
          {count(loaded.length)} of {count(Math.max(total, loaded.length))} loaded
        </span>
        <div class="actions">
          {mayRetry && total > 0 && (
            <Button small kind="primary" onClick={() => void retry()}>Retry all {count(total)}</Button>
          )}
          <Download job={job} kind={kind} />
        </div>
      </div>
      {live.wrong.value && <p class="notice bad" role="alert">{live.wrong.value}</p>}
      {nothing ? <p class="empty muted">{nothing}</p> : (
        <List entries={found} kind={kind} open={(at) => (opened.value = at)}
          retry={mayRetry ? (item) => void retry([item]) : null} />
      )}
      {loaded.length < total && loaded.length > 0 && (
        <div class="foot">
          <Button small disabled={live.loading.value} onClick={() => void live.more()}>
            {live.loading.value ? "Loading…" : "Load more"}
          </Button>
        </div>
      )}
      {opened.value !== null && found[opened.value] && (
        <Detail entries={found} at={opened.value} to={(at) => (opened.value = at)} />
      )}
    </div>
  );
}
