package scrape

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cube/scheduler"
	"cube/scheduler/policy"
)

// stateOf is a state that knows so many nodes, and has read none of them.
func stateOf(t *testing.T, nodes ...string) *scheduler.State {
	t.Helper()
	state, err := scheduler.NewState(scheduler.Config{Policy: scheduler.Policy{Name: "any",
		Scorers: []scheduler.WeightedScorer{{Scorer: policy.Spread{}, Weight: 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range nodes {
		state.SetNode(scheduler.Node{Name: name})
	}
	return state
}

// twoLooks scrapes one target for two rounds and returns its last result and what
// was logged.
func twoLooks(t *testing.T, source Source, page func() string) (last Result, log string) {
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder // written by one target's scrapes, one after the other
		s := newSink()
		config := configFor(t, &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return answer(r, page(), 0)
		})}, s)
		config.Sources = []Source{source}
		config.Log = slog.New(slog.NewTextHandler(&lines, nil))
		_, stop := start(t, config, Target{Node: "w1", URL: "http://w1:5556", Source: source.Name})
		elapse(11 * time.Second)
		stop()
		results := s.of("w1")
		last, log = results[len(results)-1], lines.String()
	})
	return last, log
}

// scheduler-plugins#702, load-watcher#51: the names of the recording rules were
// written into the code. Where the rules had others the CPU was gone, which
// nobody noticed, and nodes were placed on by the rest. Here a name that the page
// does not have is logged, the node takes no task, for a reason that says the
// name, and the other name is a change to a table.
func TestRenamedMetricsAreNotLostInSilence(t *testing.T) {
	seconds := 0.0
	sources := []struct {
		source Source
		page   func() string
		names  []string
	}{
		{CubeWorker(), func() string { return workerPage(time.Now(), 0) }, []string{
			"cube_cpu_usage_ratio", "cube_cpu_cores", "cube_memory_total_bytes", "cube_memory_available_bytes"}},
		{NodeExporter(), func() string {
			seconds++
			return nodePage(1000+seconds, one(seconds, 4*seconds))
		}, []string{"node_cpu_seconds_total", "node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes"}},
	}
	for _, s := range sources {
		whole, _ := twoLooks(t, s.source, s.page)
		if whole.Err != nil {
			t.Fatal(whole.Err)
		}
		for _, name := range s.names {
			t.Run(name, func(t *testing.T) {
				page := func() string { return strings.ReplaceAll(s.page(), name, "other_rule:"+name) }
				lost, log := twoLooks(t, s.source, page)
				if lost.Err != nil || !strings.Contains(log, name) {
					t.Errorf("the log does not name it: %v\n%s", lost.Err, log)
				}
				state := stateOf(t, "w1")
				if err := state.Observe(lost.Reading); err != nil {
					t.Fatal(err)
				}
				made := state.Decide(lost.Reading.At, scheduler.Demand{}, 1).Decision()
				if made.Node != "" || made.Refused[0].Examples[0].Reason != "its reading has no "+name {
					t.Errorf("%q won; refused %+v, want for want of %s", made.Node, made.Refused, name)
				}
				table := s.source
				table.Inputs = slices.Clone(table.Inputs)
				for i := range table.Inputs {
					if table.Inputs[i].Metric == name {
						table.Inputs[i].Metric = "other_rule:" + name
					}
				}
				found, _ := twoLooks(t, table, page)
				same := cmp.Options{cmpopts.IgnoreFields(scheduler.Reading{}, "Clock", "Names"), cmpopts.EquateNaNs(),
					cmpopts.EquateApprox(1e-9, 0)}
				if diff := cmp.Diff(whole.Reading, found.Reading, same); diff != "" {
					t.Errorf("by the other name it reads differently (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// metrics-server#1736: in each round some nodes timed out, others in the next,
// and whoever read the whole could not tell whose figures were of when. Here each
// node keeps its own last reading with its own age: a round that failed changes
// neither, and the nodes beside it are as fresh as ever.
func TestTimeoutsAgeTheirOwnNodesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		f, s := &fleet{delay: func(host string) time.Duration {
			n, err := strconv.Atoi(host[1:5])
			if err != nil {
				t.Error(err)
			}
			if int(time.Since(began)/DefaultInterval)%3 == n%3 {
				return time.Hour
			}
			return 0
		}}, newSink()
		all := targets(9)
		config := configFor(t, &http.Client{Transport: f}, s)
		state := stateOf(t)
		for _, target := range all {
			state.SetNode(scheduler.Node{Name: target.Node})
		}
		_, stop := start(t, config, all...)
		elapse(62 * time.Second)
		stop()
		now := config.Now()

		oldest := 0.0
		for _, target := range all {
			results := s.of(target.Node)
			timeouts, last := 0, scheduler.Instant(0)
			for _, r := range results {
				if r.Err != nil {
					timeouts++
					continue
				}
				last = r.Reading.At
				if err := state.Observe(r.Reading); err != nil {
					t.Fatal(err)
				}
			}
			if timeouts < 3 || timeouts > 5 || len(results) < 12 {
				t.Fatalf("%s timed out in %d of %d rounds; want a third of 13", target.Node, timeouts, len(results))
			}
			in, health, _ := state.Inspect(target.Node, now)
			if age := (now - last).Seconds(); in.ReadingAge.Value() != age || age > 2*DefaultInterval.Seconds() || health != scheduler.Ready {
				t.Errorf("%s is %s with a reading %v s old, want ready and %v s", target.Node, health, in.ReadingAge, age)
			}
			oldest = max(oldest, in.ReadingAge.Value())
		}
		made := state.Decide(now, scheduler.Demand{}, 1).Decision()
		for _, c := range made.Candidates {
			if in, _, _ := state.Inspect(c.Node, now); c.Inputs.ReadingAge != in.ReadingAge {
				t.Errorf("the decision says that %s was read %v s ago, want %v", c.Node, c.Inputs.ReadingAge, in.ReadingAge)
			}
		}
		if made.Passed != len(all) || made.OldestReading.Value() != oldest || made.NewestReading.Value() >= oldest {
			t.Errorf("%d nodes passed, read %v to %v s ago; want all, and up to %v", made.Passed, made.NewestReading, made.OldestReading, oldest)
		}
	})
}
