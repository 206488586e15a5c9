// @ts-check
// Begins when a page is there. Every page works without this: scripts bring changes, keys and local times.

import { copies } from "./copy.js";
import { keys } from "./keys.js";
import { live } from "./live.js";
import { picks } from "./picks.js";
import { said } from "./said.js";
import { theme } from "./theme.js";
import { times } from "./times.js";

const following = live();
const look = theme();
times();
copies();
said();
keys(following, look, picks());
