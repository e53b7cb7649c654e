/* The uploads under way, on every page. */
import { bytes, count, percent } from "../format";
import { href } from "../router";
import { Button } from "../ui/button";
import { Foreign } from "../ui/foreign";
import { Progress } from "../ui/progress";
import { dismissUpload, resumeUpload, stopUpload, uploads, type Upload } from "./upload";

function told(one: Upload): string {
  if (one.state !== "sending") return one.message.charAt(0).toUpperCase() + one.message.slice(1);
  const sent = `${percent(one.total > 0 ? one.sent / one.total : 1)} of ${bytes(one.total)}`;
  if (one.sent >= one.total) return `all ${bytes(one.total)} have left; the server takes them in as its queues have room`;
  return one.held ? `${sent}; the queues are full, the server holds the upload back`
    : `${sent}, ${bytes(one.perSecond)}/s`;
}

function Stopped({ one }: { one: Upload }) {
  return (
    <>
      <Button small onClick={() => resumeUpload(one.id)}>Send again</Button>
      <Button small onClick={() => resumeUpload(one.id, true)}>Go on without bad lines</Button>
      <Button small kind="quiet" onClick={() => dismissUpload(one.id)}>Dismiss</Button>
    </>
  );
}

export function Uploads() {
  if (uploads.value.length === 0) return null;
  return (
    <section class="uploads" aria-label="Uploads">
      {uploads.value.map((one) => (
        <div key={one.id} class={`upload ${one.state}`}>
          <a href={href(["jobs", one.job])}>{one.state === "stopped" ? "Upload to" : "Sending to"} <Foreign text={one.name} most={60} /></a>
          <Progress value={one.total > 0 ? one.sent / one.total : 1} label="Sent"
            state={one.state === "stopped" ? "failed" : one.state === "sending" ? "running" : "paused"} />
          <span class="upload-told" role="status">
            {one.state === "stopped" && `${count(one.taken)} items are in. `}
            <Foreign text={told(one)} />
          </span>
          {one.state === "stopped" ? <Stopped one={one} />
            : <Button small onClick={() => stopUpload(one.id)}>Stop</Button>}
        </div>
      ))}
    </section>
  );
}
