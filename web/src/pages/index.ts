/*
 * Every page: the first word of its address, its name in the navigation (none: it is reached from
 * another page), and what draws it. A page of several words, `#/jobs/ID`, is its first word's.
 */
import type { ComponentType } from "preact";
import { NewJobPage } from "../compose/page";
import type { Route } from "../router";
import { JobPage } from "./job";
import { JobsPage } from "./jobs";
import { ServerPage } from "./server";
import { StagesPage } from "./stages";

export interface Page {
  word: string;
  title: string;
  nav: boolean;
  draw: ComponentType<{ route: Route }>;
}

function JobsOrJob({ route }: { route: Route }) {
  const id = route.parts[1];
  return id ? JobPage({ id, route }) : JobsPage({ route });
}

export const pages: Page[] = [
  { word: "jobs", title: "Jobs", nav: true, draw: JobsOrJob },
  { word: "new", title: "New job", nav: true, draw: NewJobPage },
  { word: "stages", title: "Stages", nav: true, draw: StagesPage },
  { word: "server", title: "Server", nav: true, draw: ServerPage },
];
