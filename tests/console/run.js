// The journeys through the console, each in a browser of its own, one after the other.
// `tests/tests/console/main.rs` fills a lake, starts the server and runs this.

import './journeys/signing_in.js';
import './journeys/finding.js';
import './journeys/event.js';
import './journeys/following.js';
import './journeys/exporting.js';
import './journeys/jobs.js';
import './journeys/saved_queries.js';
import './journeys/integrity.js';
import './journeys/access.js';
import './journeys/roles.js';
import './journeys/keyboard.js';
import './journeys/phone.js';
import './journeys/without_javascript.js';
import './journeys/hostile_texts.js';
import './journeys/every_page.js';
