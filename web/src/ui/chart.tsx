/*
 * A chart of lines over time. uPlot draws it; the newest values, or those under the pointer, stand
 * in words above it, so that nothing depends on seeing colours.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { isDark } from "../theme";

export interface Series {
  name: string;
  values: (number | null)[];
  dashed?: boolean; /* where it may lie on another */
}

export interface Mark {
  at: number; /* seconds since the epoch */
  text: string;
}

interface Props {
  title: string;
  times: number[]; /* seconds since the epoch */
  series: Series[];
  format: (value: number | null | undefined) => string;
  /* the axis ends there at least */
  atLeast: number;
  marks?: Mark[];
  /* where the axis has its ticks, if not where uPlot likes them */
  ticks?: number[];
  fixed?: boolean; /* the axis ends at `atLeast` */
  binary?: boolean; /* steps are powers of two */
}

const HEIGHT = 160;
const SHOWN_S = 30; /* at least that long */
const POWERS = Array.from({ length: 45 }, (_, power) => 2 ** power);
export const COLOURS = 6;

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function clock(seconds: number): string {
  const at = new Date(seconds * 1000);
  return [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map((each) => String(each).padStart(2, "0"))
    .join(":");
}

function drawMarks(plot: uPlot, marks: readonly Mark[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colour("--muted");
  ctx.fillStyle = colour("--muted");
  ctx.textAlign = "left";
  ctx.font = `${11 * devicePixelRatio}px ${colour("--sans")}`;
  const ends = [0, 0, 0, 0]; /* of the words in each row: they must not run into one another */
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const mark of marks) {
    const x = Math.round(plot.valToPos(mark.at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const width = ctx.measureText(mark.text).width + 8 * devicePixelRatio;
    const from = x + width > bbox.left + bbox.width ? x - width : x;
    const row = ends.findIndex((end) => end <= from);
    if (row < 0) continue; /* the event log has it all the same */
    ends[row] = from + width;
    ctx.fillText(mark.text, from + 4 * devicePixelRatio, bbox.top + (10 + 12 * row) * devicePixelRatio);
  }
  ctx.restore();
}

interface Live {
  props: Props;
  hover: (at: number | null) => void;
}

function options(live: Live, width: number): uPlot.Options {
  const { format, series, ticks, fixed, binary } = live.props;
  const line = colour("--line");
  const axis = { stroke: colour("--muted"), grid: { stroke: line, width: 1 }, ticks: { show: false },
    font: `11px ${colour("--sans")}` };
  return {
    width, height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, sync: { key: "charts" }, drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: (_, low, high) => [Math.min(low, high - SHOWN_S), high] },
      y: { range: (_, _low, high) => [0, fixed ? live.props.atLeast : Math.max(high * 1.08, live.props.atLeast)] },
    },
    axes: [
      { ...axis, space: 90, size: 24, values: (_, splits) => splits.map(clock) },
      { ...axis, size: 60, space: 28, values: (_, splits) => splits.map((each) => format(each)),
        ...(ticks ? { splits: () => ticks } : {}), ...(binary ? { incrs: POWERS } : {}) },
    ],
    series: [
      {},
      ...series.map((each, at) => ({
        label: each.name, stroke: colour(`--series-${(at % COLOURS) + 1}`), width: 1.75,
        points: { show: false }, spanGaps: false,
        ...(each.dashed ? { dash: [6, 4] } : {}),
        ...(series.length === 1 ? { fill: colour("--series-fill") } : {}),
      })),
    ],
    hooks: {
      draw: [(plot) => drawMarks(plot, live.props.marks ?? [])],
      setCursor: [(plot) => live.hover(plot.cursor.idx ?? null)],
    },
  };
}

export function Chart(props: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const live = useRef<Live>({ props, hover: setHovered });
  live.current.props = props;
  const data = [props.times, ...props.series.map((each) => each.values)] as uPlot.AlignedData;
  const dark = isDark();
  const names = props.series.map((each) => each.name).join("\n");

  useEffect(() => {
    const element = holder.current!;
    const made = new uPlot(options(live.current, element.clientWidth), data, element);
    const resized = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    plot.current = made;
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [dark, names]);
  useEffect(() => plot.current?.setData(data), [props.times]);

  const at = hovered ?? props.times.length - 1;
  return (
    <figure class="chart">
      <figcaption>
        <h3>{props.title}</h3>
        <ul class="legend">
          {props.series.map((each, series) => (
            <li key={each.name}>
              <i class={`series-${(series % COLOURS) + 1}`} aria-hidden="true" />
              {each.name} <b>{props.format(each.values[at])}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={holder} class="chart-canvas" aria-hidden="true" />
    </figure>
  );
}
