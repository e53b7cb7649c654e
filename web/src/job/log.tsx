import { clockTime } from "../format";
import { visible } from "../text";
import { seenOf } from "./seen";

export function Log({ id }: { id: string; drawn: number }) {
  const seen = [...seenOf(id)].sort((a, b) => b.at - a.at);
  return (
    <div class="panel-body">
      <p class="muted small">
        Newest first: the times the server keeps, and every change since this page first looked at the job.
      </p>
      <ol class="log">
        {seen.map((each, at) => (
          <li key={seen.length - at} class={`log-${each.kind}`}>
            <time dateTime={new Date(each.at).toISOString()}>{clockTime(new Date(each.at).toISOString())}</time>
            <bdi>{visible(each.text).slice(0, 500)}</bdi>
          </li>
        ))}
      </ol>
    </div>
  );
}
