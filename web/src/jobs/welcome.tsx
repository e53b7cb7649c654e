/* What stands where there is no job yet. */
import { token } from "../api";
import { curl } from "../curl";
import { pages } from "../pages";
import { href } from "../router";
import { Copy } from "../ui/copy";

export function Welcome() {
  const first = curl({
    url: `${location.origin}/v1/run?stages=sha256:4&sha256.field=text`,
    args: ["-T", "items.ndjson"], token: token() !== null,
  });
  return (
    <div class="panel welcome">
      <h2>No jobs yet</h2>
      <p>
        A job is a pipeline of stages that items run through, one line of JSON each. Make one here,
        or send a file from a shell and read the results as they come:
      </p>
      <pre tabIndex={0} aria-label="First request">{first}</pre>
      <div class="actions">
        {pages.some((page) => page.word === "new") && (
          <a class="button primary" href={href(["new"])}>New job</a>
        )}
        <Copy text={first} small={false}>Copy as curl</Copy>
      </div>
    </div>
  );
}
