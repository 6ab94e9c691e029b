// Counts texts with npm's sms-segments-calculator: a JSON array of texts on standard input, and
// [[encoding, parts], ...] on standard output. Only make_segments.py calls it.
const { SegmentedMessage } = require("sms-segments-calculator");
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
const counted = texts.map((text) => new SegmentedMessage(text, "auto"));
console.log(JSON.stringify(counted.map((m) => [m.encodingName, m.segmentsCount])));
