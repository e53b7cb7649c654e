/* The composed job as commands for a shell: what the page does, anybody's script can do. */
import { quote } from "../curl";
import { isUnseen, written, type JsonObject } from "./json";

export interface Sent {
  /* as it is called on the user's disk */
  name: string;
  contentType: string;
  contentEncoding: string | null;
}

export interface Story {
  origin: string;
  definition: JsonObject;
  /* nothing to send where a source makes the items */
  source: boolean;
  /* no results where a sink takes them */
  sink: boolean;
  input: Sent[];
  skipInvalid: boolean;
  token: boolean;
}

/* To curl "-" is its input, and brackets in a name are a pattern unless -g says that they are not. */
function file(name: string): string {
  if (isUnseen(name) || /[\u0000-\u001f]/.test(name)) return "-T YOUR-FILE";
  const path = name.startsWith("-") ? `./${name}` : name;
  return `${/[[\]{}]/.test(name) ? "-g " : ""}-T ${quote(path)}`;
}

function send(story: Story, input: Sent, last: boolean, curl: string): string {
  const headers = [`Content-Type: ${input.contentType}`];
  if (input.contentEncoding) headers.push(`Content-Encoding: ${input.contentEncoding}`);
  const query = [...(last ? ["close=true"] : []), ...(story.skipInvalid ? ["on_invalid=skip"] : [])];
  const target = `${story.origin}/v1/jobs/$JOB/items${query.length ? "?" + query.join("&") : ""}`;
  const words = headers.map((each) => `-H ${quote(each)}`).join(" ");
  return `${curl} ${file(input.name)} ${words} "${target}"`;
}

/* Three commands: create, send, read. The id is the first string of the reply. */
export function script(story: Story): string {
  const curl = story.token ? 'curl -sS -H "Authorization: Bearer $LEAT_TOKEN"' : "curl -sS";
  const jobs = `${story.origin}/v1/jobs`;
  const body = written(story.definition);
  const lines = [`JOB=$(${curl} ${quote(jobs)} -d ${quote(body)} | cut -d '"' -f 4)`];
  if (!story.source) {
    const input = story.input.length > 0 ? story.input
      : [{ name: "items.ndjson", contentType: "application/x-ndjson", contentEncoding: null }];
    input.forEach((each, index) =>
      lines.push(send(story, each, index === input.length - 1, curl)));
  }
  lines.push(`${curl} "${jobs}/$JOB/results?follow=true"${story.sink ? "" : " >results.ndjson"}`);
  if (story.sink) lines.push(`${curl} "${jobs}/$JOB"`);
  return lines.join("\n");
}
