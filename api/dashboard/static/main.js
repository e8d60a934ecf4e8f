// What pages gain where scripts run; without them every page does its work all the same.
import { copyButtons } from "./copy.js";
import { confirmations } from "./confirm.js";

copyButtons(document);
confirmations(document);
