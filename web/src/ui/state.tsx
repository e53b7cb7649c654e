import type { JobState } from "../types";

/* A state is never told by colour alone: each has its sign and its word. Paths in a square of 12. */
const signs: Record<JobState, string> = {
  running: "M3 1.5v9l7.5-4.5z",
  paused: "M2.5 1.5h2.5v9h-2.5zM7 1.5h2.5v9h-2.5z",
  finishing: "M6 1a5 5 0 1 0 5 5h-5z",
  succeeded: "M1 6.5l1.5-1.5 2.5 2.5 4.7-5.2 1.5 1.4-6.1 6.8z",
  failed: "M1.5 3l1.5-1.5 3 3 3-3 1.5 1.5-3 3 3 3-1.5 1.5-3-3-3 3-1.5-1.5 3-3z",
  cancelled: "M6 1a5 5 0 1 0 .01 0zM6 2.8a3.2 3.2 0 0 1 1.8.5l-4.5 4.5a3.2 3.2 0 0 1 2.7-5zM6 9.2a3.2 3.2 0 0 1-1.8-.5l4.5-4.5a3.2 3.2 0 0 1-2.7 5z",
};

export function StateBadge({ state }: { state: JobState }) {
  return (
    <span class={`state ${state}`}>
      <svg viewBox="0 0 12 12" width="10" height="10" aria-hidden="true">
        <path d={signs[state]} fill="currentColor" fill-rule="evenodd" />
      </svg>
      {state}
    </span>
  );
}
