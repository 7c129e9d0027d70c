// A phone of JsSIP whose audio is not the browser's.

import "./plain-rtp.js";
import "./jssip.js";
