/* A number with − and +: by button, by typing, by the arrow keys. */
import { useEffect, useState } from "preact/hooks";

interface Props {
  value: number;
  min: number;
  max: number;
  label: string;
  disabled?: boolean;
  onChange: (value: number) => void;
}

export function Stepper({ value, min, max, label, disabled, onChange }: Props) {
  const [draft, setDraft] = useState<string | null>(null);
  useEffect(() => setDraft(null), [value]);
  const to = (next: number) => {
    const held = Math.min(max, Math.max(min, Math.round(next)));
    if (Number.isFinite(held) && held !== value) onChange(held);
    setDraft(null);
  };
  return (
    <span class="stepper" role="group" aria-label={label}>
      <button type="button" aria-label={`Fewer: ${label}`} disabled={disabled || value <= min}
        onClick={() => to(value - 1)}>−</button>
      <input type="text" inputMode="numeric" role="spinbutton" aria-label={label}
        aria-valuenow={value} aria-valuemin={min} aria-valuemax={max} disabled={disabled}
        value={draft ?? String(value)} style={{ width: `${Math.max(3, (draft ?? String(value)).length) + 2}ch` }}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onBlur={() => draft !== null && to(Number(draft))}
        onKeyDown={(event) => {
          if (event.key === "Enter" && draft !== null) to(Number(draft));
          else if (event.key === "Escape") setDraft(null);
          else if (event.key === "ArrowUp") to(value + 1);
          else if (event.key === "ArrowDown") to(value - 1);
          else return;
          event.preventDefault();
        }} />
      <button type="button" aria-label={`More: ${label}`} disabled={disabled || value >= max}
        onClick={() => to(value + 1)}>+</button>
    </span>
  );
}
