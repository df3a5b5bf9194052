// Package scrape is the adapter between what machines publish and what the
// scheduler reads: it fetches each target's metrics page in the Prometheus text
// format, takes from it the figures that placing needs, and hands them on as a
// [scheduler.Reading].
//
// # What it promises
//
// A [Result] is either a whole, checked reading or an error that names the node
// and says in one sentence what was wrong. A page that is cut off, too long, of
// another format, or that holds a value that cannot be, costs the whole reading:
// no figure of it is used, and none becomes zero. The consumer keeps the last
// good reading and lets it age.
//
// One target costs its own reading and nothing else. Connecting, headers and
// body share one deadline of at most 0.8 of the interval; body and samples are
// bounded; a target that hung the last time waits in a lane of its own, so that
// however many hang, the healthy ones are read in time. A target is never
// scraped twice at once: one that is slow skips its ticks.
//
// # When
//
// The interval is cut into slots. A target's slot is a hash of its name and URL,
// counted on absolute time, so that the load is even, a restart does not move
// it, and several managers do not herd. A target that is new, or that
// [Loop.ScrapeNow] names, is read at once.
//
// # Sources
//
// What each wanted figure is called on a page lives in one table a source, as
// data: [CubeWorker] and [NodeExporter]. A third source is a third [Source].
// Where a source has counters of CPU time instead of a ratio, the difference
// between two scrapes is taken here.
//
// # Cost
//
// A target's pages differ in their numbers and in little else. What was parsed
// once is kept, up to 32 KiB a target, and the next page is compared with it:
// names, labels and help texts that are the same bytes are not taken apart
// again. A page that differs in anything but plain numbers is parsed in full.
//
// In this room belongs what turns a page into a reading. It imports scheduler,
// and of the Prometheus libraries the parser and the HTTP client configuration;
// it knows nothing of tasks, placement or the manager.
package scrape
