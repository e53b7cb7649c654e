/*
 * Every page: the first word of its address, its name in the navigation (none: it is reached from
 * another page), and what draws it. A page of several words, `#/jobs/ID`, is its first word's.
 */
import type { ComponentType } from "preact";
import type { Route } from "../router";
import { lazy } from "../ui/lazy";
import { JobsPage } from "./jobs";

const JobPage = lazy(async () => (await import("./job")).JobPage);
const NewJobPage = lazy(async () => (await import("../compose/page")).NewJobPage);
const ServerPage = lazy(async () => (await import("./server")).ServerPage);
const StagesPage = lazy(async () => (await import("./stages")).StagesPage);

export interface Page {
  word: string;
  title: string;
  nav: boolean;
  draw: ComponentType<{ route: Route }>;
}

function JobsOrJob({ route }: { route: Route }) {
  const id = route.parts[1];
  return id ? <JobPage id={id} route={route} /> : <JobsPage route={route} />;
}

export const pages: Page[] = [
  { word: "jobs", title: "Jobs", nav: true, draw: JobsOrJob },
  { word: "new", title: "New job", nav: true, draw: NewJobPage },
  { word: "stages", title: "Stages", nav: true, draw: StagesPage },
  { word: "server", title: "Server", nav: true, draw: ServerPage },
];
