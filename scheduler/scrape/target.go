package scrape

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"time"

	"cube/scheduler"
)

// Target is a machine to read.
type Target struct {
	Node string
	// URL is the base URL, such as http://10.0.0.7:5556. A path of its own
	// is kept; without one, /metrics is read.
	URL string
	// Source is the name of the table that says what the figures are called
	// there; empty is "cube".
	Source string
	// DataRoot is the directory whose filesystem counts as the node's disk,
	// for sources that list every mount without saying which one holds the
	// tasks' data; empty is "/".
	DataRoot string
}

// Result is what came of one scrape.
type Result struct {
	Node string
	// Reading is whole when Err is nil, and else nothing but absent figures.
	Reading scheduler.Reading
	// Err is nil or a [*Failure].
	Err error
	// Duration is how long the scrape took, from the first byte sent to the
	// last figure checked.
	Duration time.Duration
}

// target is a Target with what is remembered between its scrapes. The scheduling
// fields are guarded by Loop.mu; memory is only touched by the one goroutine
// that scrapes the target.
type target struct {
	Target
	source  *compiled
	request *http.Request
	shown   string // the URL without its password
	bad     error  // why it can never be scraped
	slot    int

	busy    bool // queued or under way
	again   bool // asked for while busy
	gone    bool // no longer a target
	suspect bool // hung the last time

	memory memory
}

// memory is what a target's next reading is checked against and computed from.
type memory struct {
	clock  float64 // the node's clock at its last page
	usage  usage
	absent figureSet // the figures that were absent from its last page
	layout *layout   // of its last page; nil where there is none
	failed bool
}

func (t Target) withDefaults() Target {
	if t.Source == "" {
		t.Source = CubeWorker().Name
	}
	if t.DataRoot == "" {
		t.DataRoot = "/"
	}
	return t
}

func newTarget(t Target, sources map[string]*compiled, slots int) *target {
	made := &target{Target: t, slot: slotOf(t, slots), memory: memory{clock: scheduler.Absent()}}
	made.request, made.shown, made.bad = newRequest(t.URL)
	if made.source = sources[t.Source]; made.source == nil && made.bad == nil {
		made.bad = fmt.Errorf("there is no source named %q", t.Source)
	}
	return made
}

// slotOf spreads targets evenly and always in the same way.
func slotOf(t Target, slots int) int {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(t.Node + "\x00" + t.URL)) // never fails
	sum := hash.Sum64()
	// FNV's low bits are weak on names that differ in their last byte only.
	return int((sum ^ sum>>32) % uint64(slots))
}

// newRequest makes the request that every scrape of a target sends a copy of.
func newRequest(base string) (request *http.Request, shown string, err error) {
	u, err := url.Parse(base)
	if err != nil {
		// The error of url.Parse quotes the URL, which may hold a password.
		return nil, "a URL that cannot be parsed", errors.New("it is not a URL")
	}
	shown = u.Redacted()
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, shown, errors.New("the URL needs a scheme, http or https, and a host")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/metrics"
	}
	request, err = http.NewRequest(http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, shown, errors.New("the URL makes no request")
	}
	return request, u.Redacted(), nil
}
