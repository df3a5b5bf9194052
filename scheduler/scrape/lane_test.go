package scrape

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// Workers far away, of which the usual few scrapers could read but two thirds in
// time, get as many as they need; where they are near again, those are let go.
func TestFarFleetGetsMoreWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all, far = 6000, 300 * time.Millisecond
		began := time.Now()
		f := &fleet{delay: func(string) time.Duration {
			if time.Since(began) < 40*time.Second {
				return far
			}
			return time.Millisecond
		}}
		s := newSink()
		l, _ := start(t, configFor(t, &http.Client{Transport: f}, s), targets(all)...)
		elapse(40 * time.Second)
		for _, target := range targets(all) {
			results := s.of(target.Node)
			for i := 3; i < len(results); i++ { // until then all were new
				gap := time.Duration(results[i].Reading.At - results[i-1].Reading.At)
				if gap > DefaultInterval+2*DefaultInterval/slots+far {
					t.Fatalf("reading %d of %s came %s after the one before", i, target.Node, gap)
				}
			}
			if len(results) < 7 {
				t.Fatalf("%s was read %d times in 40 s", target.Node, len(results))
			}
		}
		want := func() int {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.healthy.want
		}
		if n := want(); n <= usualWorkers {
			t.Errorf("%d scrapers at most for the far fleet", n)
		}
		elapse(time.Minute)
		if n := want(); n > usualWorkers+7 {
			t.Errorf("still %d scrapers at most once the fleet is near", n)
		}
	})
}

// However far the fleet is, the bound of the configuration holds.
func TestWorkersStayWithinTheirBound(t *testing.T) {
	for _, concurrency := range []int{1, 2, 40, 300} {
		t.Run(fmt.Sprint(concurrency), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fleet{delay: func(string) time.Duration { return 100 * time.Millisecond }}
				config := configFor(t, &http.Client{Transport: f}, newSink())
				config.Concurrency = concurrency
				l, _ := start(t, config, targets(4000)...)
				most := 0
				for range 600 {
					elapse(50 * time.Millisecond)
					l.mu.Lock()
					most = max(most, l.healthy.workers)
					l.mu.Unlock()
				}
				if bound := max(1, concurrency-concurrency/2); most > bound || most == 0 {
					t.Errorf("%d scraped at once; want some, and %d at most", most, bound)
				}
			})
		})
	}
}
