import type { JobState } from "../types";

/* A state is never told by colour alone: each has its sign and its word. */
const signs: Record<JobState, string> = {
  running: "▶",
  paused: "❚❚",
  finishing: "◔",
  succeeded: "✓",
  failed: "✕",
  cancelled: "○",
};

export function StateBadge({ state }: { state: JobState }) {
  return (
    <span class={`state ${state}`}>
      <span class="state-sign" aria-hidden="true">{signs[state]}</span>
      {state}
    </span>
  );
}
