package scrape

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"cube/scheduler"
)

// fleet answers for many workers in memory.
type fleet struct {
	delay func(host string) time.Duration
	page  func() string // made once
	mu    sync.Mutex
	asked map[string][]time.Time
	under map[string]int
	both  atomic.Bool // some worker was asked twice at once
}

func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	host := r.URL.Host
	f.mu.Lock()
	if f.asked == nil {
		f.asked, f.under = map[string][]time.Time{}, map[string]int{}
		f.page = sync.OnceValue(func() string { return workerPage(noon, 1) })
	}
	f.asked[host] = append(f.asked[host], time.Now())
	f.under[host]++
	if f.under[host] > 1 {
		f.both.Store(true)
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.under[host]--
	}()
	var after time.Duration
	if f.delay != nil {
		after = f.delay(host)
	}
	return answer(r, f.page(), after)
}

func (f *fleet) times(host string) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.asked[host]...)
}

func targets(n int) []Target {
	all := make([]Target, n)
	for i := range all {
		all[i] = Target{Node: fmt.Sprintf("w%04d", i), URL: fmt.Sprintf("http://w%04d:5556", i)}
	}
	return all
}

func TestEachTargetOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := &fleet{}, newSink()
		_, stop := start(t, configFor(t, &http.Client{Transport: f}, s), targets(2000)...)
		elapse(61*time.Second + 100*time.Millisecond) // between two slots
		stop()
		perSlot := map[int64]int{}
		for _, target := range targets(2000) {
			host := target.Node + ":5556"
			times := f.times(host)
			if len(times) < 13 || len(times) > 14 { // at once, then twelve or thirteen rounds
				t.Fatalf("%s was asked %d times in 61 s", host, len(times))
			}
			for i := 2; i < len(times); i++ {
				if gap := times[i].Sub(times[i-1]); gap != 5*time.Second {
					t.Fatalf("%s was asked again after %s", host, gap)
				}
			}
			if got := len(s.of(target.Node)); got != len(times) {
				t.Fatalf("%s gave %d results of %d", host, got, len(times))
			}
			perSlot[times[1].UnixNano()%int64(5*time.Second)]++
		}
		if len(perSlot) != slots {
			t.Errorf("2,000 targets fell into %d slots of %d", len(perSlot), slots)
		}
		for at, n := range perSlot {
			if n < 60 || n > 140 { // 100 on average
				t.Errorf("%d targets of 2,000 fell into the slot at %s", n, time.Duration(at))
			}
		}
	})
}

// A target's slot is a matter of its name and of absolute time alone.
func TestSlotOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var phases []int64
		for _, wait := range []time.Duration{0, 1700 * time.Millisecond} {
			elapse(wait)
			f := &fleet{}
			_, stop := start(t, configFor(t, &http.Client{Transport: f}, newSink()), targets(1)...)
			elapse(9 * time.Second)
			stop()
			phases = append(phases, f.times("w0000:5556")[1].UnixNano()%int64(5*time.Second))
		}
		if phases[0] != phases[1] {
			t.Errorf("the phase was %d and then %d", phases[0], phases[1])
		}
	})
}

// A worker that takes longer than an interval skips ticks and is never asked
// twice at once; one that hangs fails at the deadline.
func TestSlowTargetsSkipTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := &fleet{delay: func(host string) time.Duration {
			return map[string]time.Duration{"w0000:5556": 3 * time.Second, "w0001:5556": time.Hour}[host]
		}}, newSink()
		config := configFor(t, &http.Client{Transport: f}, s)
		l, stop := start(t, config, targets(3)...)
		ticker := time.NewTicker(100 * time.Millisecond)
		for range 300 {
			<-ticker.C
			for _, target := range targets(3) {
				l.ScrapeNow(target.Node)
			}
		}
		ticker.Stop()
		stop()
		if f.both.Load() {
			t.Error("a target was scraped twice at once")
		}
		for _, r := range s.of("w0000") {
			if r.Err != nil || r.Duration != 3*time.Second {
				t.Errorf("slow: %+v", r)
			}
		}
		hung := s.of("w0001")
		for _, r := range hung {
			if f := failureOf(t, r); f.Outcome != Timeout || f.Reason != "no whole answer within 4s" || r.Duration != 4*time.Second {
				t.Errorf("hung: %+v", r)
			}
		}
		if len(hung) < 6 {
			t.Errorf("the hung one gave only %d results", len(hung))
		}
		if skipped := testutil.ToFloat64(l.metrics.scrapes[Skipped]); skipped < 8 {
			t.Errorf("%v ticks were skipped", skipped)
		}
	})
}

// When some begin to hang, one in twenty or half of all at the same moment, the
// others stay as fresh as before.
func TestHungTargetsDoNotAgeTheOthers(t *testing.T) {
	const all, begin = 1000, 15 * time.Second
	worst := func(t *testing.T, every int) (oldest time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			f := &fleet{delay: func(host string) time.Duration {
				n, err := strconv.Atoi(host[1:5])
				if err != nil {
					t.Error(err)
				}
				if n%every == 0 && time.Since(began) > begin {
					return time.Hour
				}
				return 20 * time.Millisecond
			}}
			s := newSink()
			config := configFor(t, &http.Client{Transport: f}, s)
			config.Concurrency = 128 // in a fleet of 10,000 that is 1,280
			_, stop := start(t, config, targets(all)...)
			elapse(45*time.Second + 100*time.Millisecond)
			stop()
			failed := 0
			for _, target := range targets(all) {
				results := s.of(target.Node)
				if results[len(results)-1].Err != nil {
					failed++
					continue
				}
				// The second result begins the rhythm; the first came at once.
				for i := 2; i < len(results); i++ {
					oldest = max(oldest, time.Duration(results[i].Reading.At-results[i-1].Reading.At))
				}
			}
			if want := (all + every - 1) / every; failed < want/2 || failed > want {
				t.Errorf("%d targets failed; want up to %d", failed, want)
			}
		})
		return oldest
	}
	calm := worst(t, all+1) // only the very first hangs
	for name, every := range map[string]int{"one in twenty": 20, "half": 2} {
		if oldest := worst(t, every); oldest > calm+DefaultInterval/slots {
			t.Errorf("%s: the oldest reading of a healthy target was %s old; %s without", name, oldest, calm)
		}
	}
}

func TestScrapeNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := &fleet{}, newSink()
		l, _ := start(t, configFor(t, &http.Client{Transport: f}, s), targets(1)...)
		elapse(7 * time.Second)
		before := len(s.of("w0000"))
		l.ScrapeNow("w0000")
		l.ScrapeNow("nobody")
		synctest.Wait()
		if got := len(s.of("w0000")); got != before+1 {
			t.Errorf("%d results before and %d after", before, got)
		}
	})
}

func TestSetTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := &fleet{delay: func(string) time.Duration { return 10 * time.Millisecond }}, newSink()
		l, _ := start(t, configFor(t, &http.Client{Transport: f}, s), targets(2)...)
		elapse(6 * time.Second)
		kept, gone := len(s.of("w0000")), len(s.of("w0001"))
		l.ScrapeNow("w0001")
		synctest.Wait() // it is under way
		l.SetTargets(append(targets(1), Target{Node: "w0009", URL: "http://w0009:5556"}))
		elapse(100 * time.Millisecond)
		if len(s.of("w0009")) != 1 {
			t.Error("a new target was not scraped at once")
		}
		if got := len(s.of("w0000")); got != kept {
			t.Errorf("a target that stayed was scraped anew: %d results, then %d", kept, got)
		}
		elapse(time.Minute)
		if got := len(s.of("w0001")); got != gone {
			t.Errorf("a target that was gone gave results: %d, then %d", gone, got)
		}
		if got := len(s.of("w0000")); got < kept+11 {
			t.Errorf("a target that stayed was dropped: %d results, then %d", kept, got)
		}
		// A node at a new address is a new target.
		l.SetTargets([]Target{{Node: "w0000", URL: "http://elsewhere:5556"}})
		elapse(6 * time.Second)
		if n := len(f.times("elsewhere:5556")); n < 2 {
			t.Errorf("the new address was asked %d times", n)
		}
	})
}

// A metric that was renamed, or a node that fails, is told once and not in every
// round.
func TestWhatIsLostIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var page atomic.Value
		page.Store(workerPage(noon, 0))
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return answer(r, page.Load().(string), 0)
		})}
		var log strings.Builder // written by one target's scrapes, one after the other
		config := configFor(t, client, newSink())
		config.Log = slog.New(slog.NewTextHandler(&log, nil))
		_, stop := start(t, config, targets(1)...)
		elapse(15 * time.Second)
		page.Store(strings.ReplaceAll(workerPage(noon, 0), "cube_cpu_usage_ratio", "cube_cpu_busy_ratio"))
		elapse(15 * time.Second)
		page.Store("garbage\n")
		elapse(15 * time.Second)
		page.Store(workerPage(noon, 0))
		elapse(15 * time.Second)
		stop()
		var said []string
		for line := range strings.Lines(log.String()) {
			_, message, _ := strings.Cut(line, "msg=")
			message, _, _ = strings.Cut(message, " err=")
			said = append(said, strings.TrimSpace(message))
		}
		want := []string{
			`"What a node's page lacks has changed" node=w0000 absent=[cube_cpu_usage_ratio]`,
			`"A node could not be read" node=w0000 url=http://w0000:5556/metrics result=bad_page`,
			`"What a node's page lacks has changed" node=w0000 absent=[]`,
			`"A node can be read again" node=w0000`,
		}
		if diff := cmp.Diff(want, said); diff != "" {
			t.Errorf("the log differs (-want +got):\n%s", diff)
		}
	})
}

// A failed query became a fresh 0 % elsewhere. The last good reading is the
// consumer's to keep: a failure carries nothing that could be taken for one.
func TestFailedScrapeIsNoFreshZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pages := []string{workerPage(time.Now(), 1), "garbage\n", workerPage(time.Now().Add(time.Hour), 1)}
		n := 0
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			n++
			return answer(r, pages[n-1], 0)
		})}
		s := newSink()
		l, stop := start(t, configFor(t, client, s), targets(1)...)
		for range 2 {
			synctest.Wait()
			l.ScrapeNow("w0000")
		}
		synctest.Wait()
		stop()
		results := s.of("w0000")
		if len(results) != 3 || results[0].Err != nil || results[1].Err == nil || results[2].Err != nil {
			t.Fatalf("got %+v", results)
		}
		if r := results[1].Reading; scheduler.Known(r.CpuUsage) || scheduler.Known(r.MemoryAvailable) || scheduler.Known(r.Clock) {
			t.Errorf("the failure carries %+v", r)
		}
	})
}

func TestOwnMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := &fleet{}, newSink()
		l, _ := start(t, configFor(t, &http.Client{Transport: f}, s), targets(3)...)
		synctest.Wait()
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(l)
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		if len(families) != 2 || families[0].GetName() != "cube_scrape_duration_seconds" || families[1].GetName() != "cube_scrapes_total" {
			t.Fatalf("got %v", families)
		}
		histogram := families[0].GetMetric()[0].GetHistogram()
		if histogram.GetSampleCount() != 3 || histogram.Schema == nil {
			t.Errorf("got %v; want a native histogram of 3", histogram)
		}
		if got := len(families[1].GetMetric()); got != len(outcomes()) {
			t.Errorf("%d results are exported; want all %d from the start", got, len(outcomes()))
		}
		if got := testutil.ToFloat64(l.metrics.scrapes[Success]); got != 3 {
			t.Errorf("%v successes", got)
		}
		problems, err := testutil.GatherAndLint(registry)
		if err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v, %v", problems, err)
		}
	})
}

func TestRunsOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := &fleet{delay: func(string) time.Duration { return time.Hour }}, newSink()
		l, stop := start(t, configFor(t, &http.Client{Transport: f}, s), targets(5)...)
		synctest.Wait()
		if err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "runs already") {
			t.Errorf("a second Run: %v", err)
		}
		stop() // waits for the five that hang
		if got := len(s.of("w0000")); got != 0 {
			t.Errorf("the end of the loop was told as %d results", got)
		}
		f.delay = nil
		stopAgain := run(t, l)
		elapse(6 * time.Second)
		stopAgain()
		if len(s.of("w0000")) == 0 {
			t.Error("a loop that runs again does not scrape what was under way")
		}
	})
}

func TestConfigRefusals(t *testing.T) {
	good := configFor(t, &http.Client{}, newSink())
	for name, test := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"no client":      {func(c *Config) { c.Client = nil }, "needs a client"},
		"no clock":       {func(c *Config) { c.Now = nil }, "a clock"},
		"long timeout":   {func(c *Config) { c.Timeout = 4100 * time.Millisecond }, "4.1s is not within 4s"},
		"short interval": {func(c *Config) { c.Interval = time.Millisecond }, "1ms is too short"},
		"negative":       {func(c *Config) { c.MaxBody = -1 }, "negative"},
		"no inputs":      {func(c *Config) { c.Sources = []Source{{Name: "x"}} }, "no inputs"},
		"no metric":      {func(c *Config) { c.Sources = []Source{{"x", []Input{{}}}} }, "names no metric"},
		"key too many":   {func(c *Config) { c.Sources = []Source{{"x", []Input{{Metric: "m", Key: "k"}}}} }, `m has the label "k"`},
		"key missing":    {func(c *Config) { c.Sources = []Source{{"x", []Input{{Metric: "m", Figure: TaskMemory}}}} }, `m has the label ""`},
		"two keys": {func(c *Config) {
			c.Sources = []Source{{"x", []Input{{Metric: "m", Key: "a", Figure: TaskMemory}, {Metric: "n", Key: "b", Figure: TaskStartTime}}}}
		}, "n tells tasks apart by the label b, and another input by a"},
		"no figure":    {func(c *Config) { c.Sources = []Source{{"x", []Input{{Metric: "m", Figure: figures}}}} }, "there is not"},
		"figure twice": {func(c *Config) { c.Sources = []Source{{"x", []Input{{Metric: "m"}, {Metric: "n"}}}} }, "n is the second"},
	} {
		config := good
		test.change(&config)
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v; want %q", name, err, test.says)
		}
	}
}
