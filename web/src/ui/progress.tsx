import { percent } from "../format";

interface Props {
  /* 0 to 1, or null while the end is not known */
  value: number | null;
  label: string;
  state?: string;
  text?: string;
}

export function Progress({ value, label, state = "running", text }: Props) {
  const known = value !== null;
  const width = known ? Math.min(1, Math.max(0, value)) * 100 : 100;
  return (
    <div class="progress" role="progressbar" aria-label={label} aria-valuemin={0}
      aria-valuemax={100} aria-valuenow={known ? Math.round(width) : undefined}
      aria-valuetext={text ?? (known ? percent(value) : "the end is not known yet")}>
      <div class={`progress-fill ${state}${known ? "" : " open"}`} style={{ width: `${width}%` }} />
    </div>
  );
}
