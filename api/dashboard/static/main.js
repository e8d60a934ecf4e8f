// What pages gain where scripts run; without them every page does its work all the same.
import { followAddresses } from "./address.js";
import { copyButtons } from "./copy.js";
import { confirmations } from "./confirm.js";

copyButtons(document);
confirmations(document);
followAddresses(document);

// On a phone the tab of this page may lie beyond the edge of the row that it is in.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
// What htmx has put in has buttons of its own.
document.addEventListener("htmx:after:swap", () => copyButtons(document));
