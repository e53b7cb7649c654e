import { render } from "preact";
import { App } from "./app";
import { fetchWhenIdle } from "./ui/lazy";
import "uplot/dist/uPlot.min.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/jobs.css";
import "./styles/job.css";
import "./styles/catalogue.css";
import "./compose/compose.css";

const place = document.getElementById("app")!;
place.replaceChildren(); /* the bar that stood there meanwhile */
render(<App />, place);
fetchWhenIdle();
