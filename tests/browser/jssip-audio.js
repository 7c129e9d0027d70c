// A phone of JsSIP with the browser's own audio.

import "./real-audio.js";
import "./jssip.js";
