/* Throughput, queues and memory of the last minutes, as far as they were watched. */
import { bytes, percent, rate } from "../format";
import { Chart, type Mark, type Series } from "../ui/chart";
import type { Job } from "../types";
import { historyOf, rates, type Sample } from "./history";
import { memoryOf } from "./memory";
import { seenOf } from "./seen";

/* The mean of the last few seconds: what was committed comes in bursts. */
export function smooth(values: (number | null)[], width = 3): (number | null)[] {
  return values.map((value, at) => {
    if (value === null) return null;
    const near = values.slice(Math.max(0, at - width + 1), at + 1).filter((each) => each !== null);
    return near.reduce((sum, each) => sum + each, 0) / near.length;
  });
}

function marksOf(id: string): Mark[] {
  return seenOf(id)
    .filter((each) => each.mark !== undefined)
    .map((each) => ({ at: each.at / 1000, text: each.mark! }));
}

export function Charts({ job }: { job: Job; drawn: number }) {
  const samples = historyOf(job.id);
  if (samples.length < 3) return null;
  const times = samples.map((sample) => sample.at / 1000);
  const marks = marksOf(job.id);
  const per = (count: (sample: Sample) => number) => smooth(rates(samples, count));
  const memory = memoryOf(samples.map((sample) => sample.at));
  const series: Series[] = [
    { name: "items finished", values: per((sample) => sample.finished) },
    { name: "results", values: per((sample) => sample.results), dashed: true },
  ];
  if (job.counts.failed > 0) series.push({ name: "failed", values: per((sample) => sample.failed) });
  return (
    <section class="charts" aria-label="Charts">
      <div class="panel">
        <Chart title="Throughput" times={times} format={rate} atLeast={1} marks={marks} series={series} />
      </div>
      <div class="panel">
        <Chart title="Queues: how full, in front of each stage" times={times} format={percent} atLeast={1} fixed
          ticks={[0, 0.25, 0.5, 0.75, 1]}
          series={job.stages.map((stage, at) => ({
            name: stage.name, values: samples.map((sample) => sample.queues[at] ?? null),
          }))} />
      </div>
      {memory.length > 0 && (
        <div class="panel">
          <Chart title="Memory of the server" times={times} format={bytes} atLeast={1 << 20} binary series={memory} />
        </div>
      )}
    </section>
  );
}
